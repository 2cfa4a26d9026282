/// The head of an HTTP/1.1 request, as far as the store needs it.
struct RequestHead {
  var method: String
  var target: String
  /// By lower-case name; of several fields of a name, the last.
  var headers: [String: String]

  /// No head that means well is longer.
  static let limit = 65_536

  /// - Parameter bytes: everything before the empty line.
  init?(_ bytes: some Sequence<UInt8>) {
    var lines = String(decoding: Array(bytes), as: UTF8.self).split(separator: "\r\n")
    guard !lines.isEmpty else { return nil }
    let words = lines.removeFirst().split(separator: " ")
    guard words.count == 3, words[2].hasPrefix("HTTP/1.") else { return nil }
    method = String(words[0])
    target = String(words[1])
    headers = [:]
    for line in lines {
      guard let colon = line.firstIndex(of: ":") else { return nil }
      let value = line[line.index(after: colon)...]
      headers[line[..<colon].lowercased()] = String(value.drop { $0 == " " })
    }
  }

  var contentLength: Int { headers["content-length"].flatMap { Int($0) } ?? 0 }
  var closesConnection: Bool { headers["connection"]?.lowercased() == "close" }
}
