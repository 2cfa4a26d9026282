import NIOCore
import NIOHTTP1
import Synchronization

/// Which exchange a connection works for, by the `X-Request-Id` header of its request.
final class ExchangeRegistry: Sendable {
  static let header = "X-Request-Id"

  private struct Entry {
    weak var exchange: HTTPExchange?
  }

  private let entries = Mutex<[String: Entry]>([:])

  func add(_ exchange: HTTPExchange, id: String) {
    entries.withLock { $0[id] = Entry(exchange: exchange) }
  }

  func remove(id: String) {
    entries.withLock { _ = $0.removeValue(forKey: id) }
  }

  func exchange(id: String) -> HTTPExchange? {
    entries.withLock { $0[id]?.exchange }
  }
}

/// Keeps what has arrived when a download breaks.
///
/// AsyncHTTPClient drops the bytes that it holds for a slow reader when the connection breaks, and NIO reads all that
/// the kernel has as soon as the other side closes: together, megabytes that were paid for and arrived would be lost.
/// So this handler, just behind the decoder, tells the exchange of the break itself and passes it on as a normal end
/// of the body. The exchange then hands out every byte and reports the break after the last one.
final class BreakTap: ChannelDuplexHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias InboundOut = HTTPClientResponsePart
  typealias OutboundIn = HTTPClientRequestPart
  typealias OutboundOut = HTTPClientRequestPart

  private enum Phase {
    case beforeBody, body, done
  }

  private let registry: ExchangeRegistry
  private var phase = Phase.beforeBody
  private weak var exchange: HTTPExchange?

  private init(_ registry: ExchangeRegistry) {
    self.registry = registry
  }

  static func install(in channel: any Channel, registry: ExchangeRegistry) -> EventLoopFuture<Void> {
    channel.eventLoop.makeCompletedFuture {
      let pipeline = channel.pipeline.syncOperations
      let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPResponseDecoder>.self)
      try pipeline.addHandler(BreakTap(registry), position: .after(decoder))
    }
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    if case .head(let head) = unwrapOutboundIn(data) {
      exchange = head.headers.first(name: ExchangeRegistry.header).flatMap(registry.exchange(id:))
    }
    context.write(data, promise: promise)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    // An interim answer (1xx) has no body.
    case .head(let head): phase = head.status.code >= 200 ? .body : .beforeBody
    case .body: break
    case .end: phase = .done
    }
    context.fireChannelRead(data)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    guard phase == .body else {
      if phase == .beforeBody { context.fireErrorCaught(error) }
      return
    }
    endEarly(context, error)
  }

  func channelInactive(context: ChannelHandlerContext) {
    if phase == .body { endEarly(context, ChannelError.eof) }
    context.fireChannelInactive()
  }

  private func endEarly(_ context: ChannelHandlerContext, _ error: any Error) {
    guard let exchange else {
      context.fireErrorCaught(error)
      return
    }
    phase = .done
    exchange.bodyBroke(error)
    context.fireChannelRead(wrapInboundOut(.end(nil)))
    context.fireChannelReadComplete()
  }
}
