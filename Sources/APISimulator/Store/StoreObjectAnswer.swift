import Glibc

/// The answer to a request that may read a package: preconditions, range and validators (RFC 9110, 13 and 14).
struct StoreObjectAnswer {
  let request: StoreRequest
  let number: Int
  let object: StoreModel.Object
  let opened: PackageFile.Opened
  let faults: Faults

  /// The strong validator of this version. It follows from the package's name and version, so that a second simulator gives the same.
  private var etag: String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in "\(object.package.name)#\(object.version)#\(opened.size)".utf8 {
      hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
    }
    let digits = String(hash, radix: 16)
    return "\"" + String(repeating: "0", count: 16 - digits.count) + digits + "\""
  }

  /// A second later with every version.
  private var lastModified: String {
    Moment(Double(SimulatedFile.defaultModified + Int64(object.version))).http
  }

  var answer: StoreAnswer {
    guard preconditionsHold else { return .failure(.precondition, request: number) }
    var answer = StoreAnswer(status: 200, version: object.version, file: object.file)
    answer.headers = [("Content-Type", object.package.contentType)]
    if faults.range != .ignored { answer.headers.append(("Accept-Ranges", "bytes")) }
    addValidators(to: &answer)
    if let disposition = object.package.disposition { answer.headers.append(("Content-Disposition", disposition)) }
    guard let wanted else {
      answer.body = .file(opened, 0..<opened.size)
      return answer
    }
    guard let range = wanted.range(of: opened.size) else {
      var failure = StoreAnswer.failure(.invalidRange, request: number)
      failure.set("Content-Range", "bytes */\(opened.size)")
      return failure
    }
    answer.status = 206
    addBody(range, to: &answer)
    return answer
  }

  /// The range that is honoured.
  private var wanted: RangeRequest? {
    guard let range = RangeRequest(request.headers["range"]), faults.range != .ignored else { return nil }
    if range.isSuffix, faults.range == .suffixIgnored { return nil }
    // A range of another version than the client has is no use: then it gets everything.
    if let version = request.headers["if-range"], version != etag, version != lastModified { return nil }
    return range
  }

  private var preconditionsHold: Bool {
    if let match = request.headers["if-match"], match != "*", !match.contains(etag) { return false }
    if let since = request.headers["if-unmodified-since"], since != lastModified { return false }
    return true
  }

  private func addValidators(to answer: inout StoreAnswer) {
    let kind = faults.validators
    if kind != .neither, kind != .noETag { answer.headers.append(("ETag", kind == .weak ? "W/" + etag : etag)) }
    if kind != .neither, kind != .noLastModified { answer.headers.append(("Last-Modified", lastModified)) }
  }

  private func addBody(_ range: Range<Int64>, to answer: inout StoreAnswer) {
    var (first, last, total) = (range.lowerBound, range.upperBound - 1, String(opened.size))
    answer.body = .file(opened, range)
    switch faults.range {
    case .shifted: (first, last) = (first + 1, last + 1)
    case .wrongTotal: total = String(opened.size + 1)
    case .unknownTotal: total = "*"
    case .shorter:
      last = first + (range.upperBound - range.lowerBound - 1) / 2
      answer.body = .file(opened, first..<(last + 1))
    case .multipart: return addMultipart(range, to: &answer)
    case .noContentRange: return
    case .ignored, .suffixIgnored, nil: break
    }
    answer.headers.append(("Content-Range", "bytes \(first)-\(last)/\(total)"))
  }

  /// One part, in the form that several ranges would have.
  private func addMultipart(_ range: Range<Int64>, to answer: inout StoreAnswer) {
    let boundary = "simulated-\(number)"
    var part = [UInt8](repeating: 0, count: Int(range.upperBound - range.lowerBound))
    let count = pread(opened.descriptor, &part, part.count, off_t(range.lowerBound))
    let head =
      "--\(boundary)\r\nContent-Type: \(object.package.contentType)\r\n"
      + "Content-Range: bytes \(range.lowerBound)-\(range.upperBound - 1)/\(opened.size)\r\n\r\n"
    answer.body = .bytes(Array(head.utf8) + part.prefix(max(count, 0)) + Array("\r\n--\(boundary)--\r\n".utf8))
    answer.set("Content-Type", "multipart/byteranges; boundary=\(boundary)")
  }
}
