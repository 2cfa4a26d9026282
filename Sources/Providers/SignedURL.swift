/// An address whose query is as good as a key. It prints as `<redacted>` wherever it is printed, dumped or reflected.
struct SignedURL: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The address itself: for the request, and for nothing else.
  let address: WebAddress

  /// Why an address can't be used, in words that do not repeat it.
  struct Refusal: Error, Hashable, Sendable {
    let reason: String
  }

  /// Takes `https://`; `http://` for this machine itself, or where the source has `allow_http`: whoever listens on the way
  /// would have the signature.
  init(_ text: String, allowsHTTP: Bool) throws(Refusal) {
    let address: WebAddress
    do {
      // A fragment is for the reader of an address, never for the server.
      address = try WebAddress(String(text.prefix { $0 != "#" }))
    } catch {
      throw Refusal(reason: "a signed URL that \(error.reason)")
    }
    guard address.scheme == .https || address.isLoopback || allowsHTTP else {
      throw Refusal(reason: "a signed URL that is http:// on another machine, \(address.place)")
    }
    self.address = address
  }

  var description: String { "<redacted>" }
  var debugDescription: String { "<redacted>" }
  var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}
