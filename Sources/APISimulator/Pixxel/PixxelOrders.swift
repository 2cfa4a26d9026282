/// A workflow as the administration's JSON gives it. What isn't given stays as it was; the jobs always do.
struct WorkflowOrder: Decodable {
  var name: String?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case name
  }

  func apply(to workflow: inout SimulatedWorkflow) {
    if let name { workflow.name = name }
  }
}

/// The same of a job, whose tasks always stay.
struct JobOrder: Decodable {
  var name: String?
  /// The status word; `""` is again the one that follows from the tasks.
  var statusWord: String?
  var package: Strict<PackageOrder>?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case name
    case statusWord = "status_word"
    case package
  }

  func apply(to job: inout SimulatedJob) throws {
    if let name { job.name = name }
    if let statusWord { job.statusWord = statusWord.isEmpty ? nil : statusWord }
    if let package { job.package = try package.value.package() }
  }
}

/// The same of a task. Beside these keys it has those of ``ScriptOrder``.
struct PixxelTaskOrder: Decodable {
  var script: ScriptOrder
  var name: String?
  var statusWord: String?
  var package: Strict<PackageOrder>?
  var pendingAnswers: Int?
  var pendingURL: SimulatedPixxelTask.PendingURL?
  var readyWord: String?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case name
    case statusWord = "status_word"
    case package
    case pendingAnswers = "pending_answers"
    case pendingURL = "pending_url"
    case readyWord = "ready_word"
  }

  init(from decoder: any Decoder) throws {
    script = try ScriptOrder(from: decoder)
    let container = try decoder.container(keyedBy: CodingKeys.self)
    name = try container.decodeIfPresent(String.self, forKey: .name)
    statusWord = try container.decodeIfPresent(String.self, forKey: .statusWord)
    package = try container.decodeIfPresent(Strict<PackageOrder>.self, forKey: .package)
    pendingAnswers = try container.decodeIfPresent(Int.self, forKey: .pendingAnswers)
    pendingURL = try container.decodeIfPresent(SimulatedPixxelTask.PendingURL.self, forKey: .pendingURL)
    readyWord = try container.decodeIfPresent(String.self, forKey: .readyWord)
  }

  func apply(to task: inout SimulatedPixxelTask) throws {
    if let script = try script.script() { task.script = script }
    if let name { task.name = name }
    if let statusWord { task.statusWord = statusWord.isEmpty ? nil : statusWord }
    if let package { task.package = try package.value.package() }
    if let pendingAnswers { task.pendingAnswers = pendingAnswers }
    if let pendingURL { task.pendingURL = pendingURL }
    if let readyWord { task.readyWord = readyWord }
  }
}

/// A package as the administration's JSON gives it: one of `file`, `files`, `url`.
struct PackageOrder: Decodable {
  enum Kind: String, Decodable {
    case zip, tar
  }

  /// A file of this machine.
  var file: String?
  /// The files of an archive of this kind (a zip unless said otherwise), made by the simulator.
  var files: [FileOrder]?
  var kind: Kind?
  /// The name of one of ``ZipStyle/named``.
  var style: String?
  /// Another store's address.
  var url: String?
  /// Files of this machine that are its next versions.
  var nextFiles: [String]?
  var name: String?
  var disposition: String?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case file, files, kind, style, url
    case nextFiles = "next_files"
    case name, disposition
  }

  func package() throws -> SimulatedPackage {
    var package = try content()
    if let name { package.name = name }
    package.disposition = disposition
    package.nextVersions = (nextFiles ?? []).map { .file(path: $0) }
    return package
  }

  private func content() throws -> SimulatedPackage {
    switch (file, files, url) {
    case (let file?, nil, nil): return .file(file)
    case (nil, let files?, nil):
      let files = try files.map { try $0.file() }
      return kind == .tar ? .tar(files) : .zip(files, style: try ZipStyle.order(style ?? "seekable"))
    case (nil, nil, let url?): return .external(url)
    default: throw Refusal(description: "package: exactly one of file, files and url must be given")
    }
  }
}

/// What the clock shows, as the administration's JSON gives it; with none of the keys, the real time.
struct ClockOrder: Decodable {
  /// Seconds.
  var offset: Double?
  /// Seconds since 1970.
  var fixed: Double?
  /// Whether the answers have no `Date`.
  var unsaid: Bool?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case offset, fixed, unsaid
  }

  var clock: SimulatedClock {
    if unsaid == true { return .unsaid }
    return fixed.map { .fixed($0) } ?? offset.map { .offset($0) } ?? .real
  }
}
