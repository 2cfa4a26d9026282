import APISimulator
import Foundation
import TestSupport
import Testing

/// Whoever made the archive, the mount shows the same files.
@Suite("Archives of every make, through the mount", .serialized, .timeLimit(.minutes(5)))
struct ArchiveStyleTests {
  @Test("Every style of the simulator's own zip writer")
  func styles() async throws {
    let tasks = ZipStyle.named.map { SampleFiles.task($0.style, id: "style-\($0.name)") }
    try await MountedSystem.with(tasks) { system in
      let reference = system.directory.file("reference")
      for file in SampleFiles.all {
        let path = reference + "/" + String(decoding: file.name, as: UTF8.self)
        try FileManager.default.createDirectory(
          atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(file.bytes(at: 0, count: Int(file.size))).write(to: URL(fileURLWithPath: path))
      }
      for task in tasks {
        let outcome = try await system.shell("diff -r \(reference) $M/screenplay/\(task.id)/results")
        #expect(outcome.status == 0, "\(task.id): \(outcome.output)\(outcome.errors)")
        #expect(system.simulator.counters().task(task.id).download == 1)
      }
    }
  }

  /// Shell lines that make `out.zip` from the directory `in`.
  static let makers: [(name: String, script: String)] = [
    ("info-zip", "cd in && zip -qr ../out.zip ."),
    ("info-zip-stored", "cd in && zip -qr0 ../out.zip ."),
    ("info-zip-streamed", "cd in && zip -qr - . | cat > ../out.zip"),
    ("info-zip-bzip2", "cd in && zip -qr -Z bzip2 ../out.zip ."),
    ("7-zip", "cd in && 7z a -bd -tzip ../out.zip . >/dev/null"),
    ("7-zip-lzma", "cd in && 7z a -bd -tzip -mm=LZMA ../out.zip . >/dev/null"),
    ("bsdtar", "cd in && bsdtar --format zip -cf ../out.zip *"),
    ("bsdtar-stored", "cd in && bsdtar --format zip --options zip:compression=store -cf - * | cat > ../out.zip"),
    (
      "python-streamed",
      """
      cd in && python3 - <<'PY' | cat > ../out.zip
      import os, sys, zipfile
      with zipfile.ZipFile(sys.stdout.buffer, 'w', zipfile.ZIP_DEFLATED) as z:
          for top, _, names in os.walk('.'):
              for n in sorted(names): z.write(os.path.join(top, n))
      PY
      """
    ),
    (
      "python-zip64",
      """
      cd in && python3 - <<'PY'
      import os, zipfile
      with zipfile.ZipFile('../out.zip', 'w', zipfile.ZIP_DEFLATED) as z:
          for top, _, names in os.walk('.'):
              for n in sorted(names):
                  p = os.path.join(top, n)
                  with z.open(zipfile.ZipInfo.from_file(p), 'w', force_zip64=True) as f: f.write(open(p, 'rb').read())
      PY
      """
    ),
  ]

  @Test("What other programs make", arguments: makers.map(\.name))
  func made(maker: String) async throws {
    let script = try #require(Self.makers.first { $0.name == maker }?.script)
    let work = try TemporaryDirectory("maker")
    let prepared = try await ChildProcess.shell(
      """
      cd '\(work.path)' && mkdir -p in/sub/第一集 && head -c 300000 /dev/urandom > in/noise.bin && seq 100000 > in/numbers.txt
      : > in/empty && echo '{}' > in/sub/第一集/分镜.json && cp /bin/ls in/sub/program && \(script)
      """)
    try #require(prepared.status == 0, "\(prepared.errors)")
    let archive = try Data(contentsOf: URL(fileURLWithPath: work.file("out.zip")))
    let task = SimulatedTask(
      id: maker, state: .completed, result: .archive(Array(archive), originalBytes: Int64(archive.count)))
    try await MountedSystem.with([task]) { system in
      let outcome = try await system.shell("diff -r '\(work.file("in"))' $M/screenplay/\(maker)/results")
      #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
    }
  }
}
