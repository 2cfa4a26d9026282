import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import Tasks

/// Why bytes did not come or go, before it is said what for.
struct TransportFault: Error, Hashable, Sendable {
  enum Kind: Sendable {
    case timedOut, unreachable, cancelled
    /// The server speaks, but not HTTP as it should.
    case badAnswer

    var failureKind: SourceFailure.Kind {
      switch self {
      case .timedOut: .timedOut
      case .unreachable: .unreachable
      case .cancelled: .cancelled
      case .badAnswer: .badAnswer
      }
    }
  }

  let kind: Kind
  /// Part of a sentence: `can't connect to host:443: Connection refused`.
  let text: String
  /// Whether the next try may well succeed; a certificate that is not valid stays so.
  var mayPass = true

  static let cancelled = TransportFault(kind: .cancelled, text: "cancelled")
}

extension TransportFault {
  /// Puts an error of the HTTP client's into these words.
  /// - Parameters:
  ///   - place: `host:port`.
  ///   - requestLeft: whether the request had been written to the connection.
  init(_ error: any Error, place: String, requestLeft: Bool) {
    switch error {
    case let error as NIOConnectionError:
      self = Self.notConnected(error, place: place)
    case let error as HTTPClientError:
      self = Self.client(error, place: place, requestLeft: requestLeft)
    case let error as IOError:
      self.init(
        kind: .unreachable,
        text: "\(requestLeft ? "connection to" : "can't connect to") \(place)\(requestLeft ? " lost" : ""): "
          + String(cString: strerror(error.errnoCode)))
    case is ChannelError:
      self.init(kind: .unreachable, text: "connection to \(place) lost")
    case is HTTPParserError:
      self.init(kind: .badAnswer, text: "\(place) does not answer in valid HTTP")
    default:
      // TLS errors come from a package that is not imported here; their texts name the matter.
      let text = Self.secureReason(String(describing: error))
      self.init(kind: .unreachable, text: "no secure connection to \(place): \(text)", mayPass: requestLeft)
    }
  }

  /// The one word that matters in the text of a TLS error, `...OPENSSL_internal:WRONG_VERSION_NUMBER at ...`.
  private static func secureReason(_ text: String) -> String {
    guard let mark = text.firstRange(of: "OPENSSL_internal:") else { return Reason.clean(text) }
    let word = text[mark.upperBound...].prefix { $0.isLetter || $0.isNumber || $0 == "_" }
    if word == "CERTIFICATE_VERIFY_FAILED" { return "its certificate is not valid, or not trusted here" }
    return word.lowercased().replacing("_", with: " ")
  }

  private static func notConnected(_ error: NIOConnectionError, place: String) -> TransportFault {
    if error.connectionErrors.isEmpty, let failure = error.dnsAError ?? error.dnsAAAAError {
      return TransportFault(
        kind: .unreachable, text: "can't resolve the name of \(place): \(Reason.clean("\(failure)"))")
    }
    let causes = error.connectionErrors.map(\.error)
    if let failure = causes.lazy.compactMap({ $0 as? IOError }).first {
      let reason = String(cString: strerror(failure.errnoCode))
      return TransportFault(kind: .unreachable, text: "can't connect to \(place): \(reason)")
    }
    if causes.contains(where: { if case ChannelError.connectTimeout? = $0 as? ChannelError { true } else { false } }) {
      return TransportFault(kind: .timedOut, text: "can't connect to \(place) in time")
    }
    return TransportFault(kind: .unreachable, text: "can't connect to \(place)")
  }

  private static func client(_ error: HTTPClientError, place: String, requestLeft: Bool) -> TransportFault {
    switch error {
    case .connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout:
      TransportFault(kind: .timedOut, text: "can't connect to \(place) in time")
    case .deadlineExceeded, .readTimeout, .writeTimeout:
      TransportFault(kind: .timedOut, text: "no answer from \(place) in time")
    case .cancelled: .cancelled
    case .alreadyShutdown:
      TransportFault(kind: .unreachable, text: "shutting down", mayPass: false)
    case .remoteConnectionClosed, .uncleanShutdown:
      TransportFault(
        kind: .unreachable,
        text: requestLeft ? "\(place) closed the connection without an answer" : "\(place) closed the connection")
    default:
      TransportFault(kind: .badAnswer, text: "\(place): \(Reason.clean(error.description))", mayPass: requestLeft)
    }
  }
}
