/// A request as it arrives at the store.
struct StoreRequest: Sendable {
  var method: String
  /// Path and query as sent.
  var target: String
  /// By lower-case name.
  var headers: [String: String]
  /// The one in the query.
  let signature: String?

  init(method: String, target: String, headers: [String: String]) {
    self.method = method
    self.target = target
    self.headers = headers
    signature = Route.query(target)["X-Amz-Signature"]
  }

  var path: String { String(target.prefix { $0 != "?" }) }
}

/// What the store answers, before anything goes wrong on the way.
struct StoreAnswer: Sendable {
  enum Body: Sendable {
    case bytes([UInt8])
    case file(PackageFile.Opened, Range<Int64>)
  }

  var status: Int
  var headers: [(name: String, value: String)] = []
  var body = Body.bytes([])
  /// The version of the package that ``body`` belongs to.
  var version = 0
  /// Keeps the file open while it is sent.
  var file: PackageFile?

  /// Sets a header field in place of one of this name.
  mutating func set(_ name: String, _ value: String) {
    headers.removeAll { $0.name.lowercased() == name.lowercased() }
    headers.append((name, value))
  }

  static func failure(_ failure: StoreFailure, request: Int) -> Self {
    Self(
      status: failure.status, headers: [("Content-Type", "application/xml")],
      body: .bytes(failure.xml(request: request)))
  }
}

/// The packages in the store and the addresses that were signed for them, as one value: nothing here reads a byte of a package.
struct StoreModel: Sendable {
  struct Object: Sendable {
    var package: SimulatedPackage
    /// Of every version of ``package``, in their order.
    var files: [PackageFile]
    /// Which of ``files`` is there now.
    var current = 0
    /// Counts up with every change.
    var version: Int

    var file: PackageFile { files[current] }
  }

  private struct Grant: Sendable {
    var key: String
    var target: String
    /// In monotonic seconds.
    var end: Double
    var lifetime: Int64
    /// When it ends, as the simulated clock has it.
    var endMoment: Double
  }

  let settings: StoreSettings
  /// Scheme, host and port, once it listens.
  var base = ""
  private var objects: [String: Object] = [:]
  /// By their signatures.
  private var grants: [String: Grant] = [:]

  init(_ settings: StoreSettings) {
    self.settings = settings
  }

  // MARK: Packages

  func object(_ key: String) -> Object? { objects[key] }

  /// Puts a package behind the addresses of this key. The same package again changes nothing; another one is a further version.
  mutating func put(_ package: SimulatedPackage?, for key: String) {
    guard let package else {
      objects[key] = nil
      return
    }
    if objects[key]?.package == package { return }
    let files = ([package.content] + package.nextVersions).map { PackageFile($0) }
    objects[key] = Object(package: package, files: files, version: (objects[key]?.version ?? 0) + 1)
  }

  mutating func switchVersion(of key: String) {
    guard var object = objects[key] else { return }
    object.version += 1
    object.current = (object.current + 1) % object.files.count
    objects[key] = object
  }

  // MARK: Addresses

  /// A new address for a package, in the form of an S3 one that is signed in its query.
  mutating func sign(_ key: String, now: Double, clock: Double) -> String? {
    guard let package = objects[key]?.package else { return nil }
    if case .external(let url) = package.content { return url }
    let moment = Moment(clock)
    // The query holds whole seconds; the store itself goes by the settings.
    let lifetime = Int64(settings.urlLifetime.rounded(.up))
    let path =
      "/packages/" + (key.split(separator: "/") + [Substring(package.name)]).map(Route.encoded).joined(separator: "/")
    let signature = (0..<4).map { _ in Self.hex(UInt64.random(in: .min ... .max)) }.joined()
    let query = [
      "X-Amz-Algorithm=AWS4-HMAC-SHA256",
      "X-Amz-Credential=SIMULATED%2F\(moment.compactDate)%2Flocal%2Fs3%2Faws4_request",
      "X-Amz-Date=\(moment.compact)", "X-Amz-Expires=\(lifetime)", "X-Amz-SignedHeaders=host",
      "X-Amz-Signature=\(signature)",
    ]
    let target = path + "?" + query.joined(separator: "&")
    grants[signature] = Grant(
      key: key, target: target, end: now + settings.urlLifetime, lifetime: lifetime,
      endMoment: clock + settings.urlLifetime)
    return base + target
  }

  /// Every address for the key, or for all, is past its time from now on.
  mutating func expire(_ key: String? = nil, now: Double) {
    for (signature, grant) in grants where key == nil || grant.key == key {
      grants[signature]?.end = min(grant.end, now)
    }
  }

  /// Which package a request is about: by its signature, or else by its path.
  func key(_ request: StoreRequest) -> String? {
    if let grant = request.signature.flatMap({ grants[$0] }) { return grant.key }
    let parts = request.path.split(separator: "/").dropFirst().dropLast().map { Route.decoded($0) }
    let key = parts.joined(separator: "/")
    return objects[key] == nil ? nil : key
  }

  // MARK: Answers

  func answer(_ request: StoreRequest, number: Int, faults: Faults, now: Double, clock: Double) -> StoreAnswer {
    guard let signature = request.signature else {
      return .failure(.noSignature, request: number)
    }
    guard let grant = grants[signature], grant.target == request.target else {
      return .failure(.wrongSignature, request: number)
    }
    switch request.method {
    case "GET": break
    // The signature is one for GET, and covers the method.
    case "HEAD" where settings.answersHead: break
    case "HEAD": return .failure(.wrongSignature, request: number)
    default: return .failure(.badMethod, request: number)
    }
    guard now < grant.end else {
      return .failure(
        .expired(Moment(grant.endMoment), lifetime: grant.lifetime, now: Moment(clock)), request: number)
    }
    guard let object = objects[grant.key], let opened = try? object.file.open() else {
      return .failure(.generic(404, nil), request: number)
    }
    return StoreObjectAnswer(request: request, number: number, object: object, opened: opened, faults: faults).answer
  }

  private static func hex(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
