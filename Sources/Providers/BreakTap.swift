import NIOCore
import NIOHTTP1
import Synchronization

/// Which exchange a connection works for, by the `X-Request-Id` header of its request.
final class ExchangeRegistry: Sendable {
  static let header = "X-Request-Id"

  /// Sixteen hexadecimal digits, for the header and for the log.
  static func newID() -> String {
    let digits = String(UInt64.random(in: .min ... .max), radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

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
///
/// It also puts small pieces together: what lies behind it costs some microseconds a piece, and servers send chunks of
/// a few hundred bytes.
final class BreakTap: ChannelDuplexHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias InboundOut = HTTPClientResponsePart
  typealias OutboundIn = HTTPClientRequestPart
  typealias OutboundOut = HTTPClientRequestPart

  private enum Phase {
    case beforeBody, body, done
  }

  private let registry: ExchangeRegistry
  /// Half of what a read of the connection brings at most: pieces that are larger are not worth copying.
  private static let largePiece = 32 << 10

  private var phase = Phase.beforeBody
  private var gathered: ByteBuffer?
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
      // A connection that is kept alive works for one exchange after the other.
      phase = .beforeBody
      exchange = head.headers.first(name: ExchangeRegistry.header).flatMap(registry.exchange(id:))
    }
    context.write(data, promise: promise)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    // An interim answer (1xx) has no body.
    case .head(let head): phase = head.status.code >= 200 ? .body : .beforeBody
    case .body(let piece):
      gather(piece, context)
      return
    case .end:
      flushGathered(context)
      phase = .done
    }
    context.fireChannelRead(data)
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    flushGathered(context)
    context.fireChannelReadComplete()
  }

  private func gather(_ piece: ByteBuffer, _ context: ChannelHandlerContext) {
    var piece = piece
    if piece.readableBytes >= Self.largePiece {
      flushGathered(context)
      context.fireChannelRead(wrapInboundOut(.body(piece)))
    } else if gathered == nil {
      gathered = piece
    } else {
      gathered?.writeBuffer(&piece)
    }
  }

  /// Before everything that comes after the pieces; at the end of every read of the connection at the latest.
  private func flushGathered(_ context: ChannelHandlerContext) {
    guard let piece = gathered else { return }
    gathered = nil
    context.fireChannelRead(wrapInboundOut(.body(piece)))
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
    flushGathered(context)
    phase = .done
    exchange.bodyBroke(error)
    context.fireChannelRead(wrapInboundOut(.end(nil)))
    context.fireChannelReadComplete()
    // The client takes it for a proper end, and could use the connection again. So the reader, whose next request may come at
    // once and from any thread, hears of the break only when the client has heard that the connection is closed: it was the
    // first to ask for that.
    context.close(promise: nil)
    context.channel.closeFuture.whenComplete { _ in exchange.connectionIsClosed() }
  }
}
