import Foundation
import Glibc
import TestSupport
import Testing

/// The demo, as somebody sees it who has no key and no configuration.
@Suite("The demo", .serialized, .timeLimit(.minutes(3)))
struct DemoTests {
  private static let completed = "ros-sd-20260313-a3f8c2b1"

  private func withDemo(_ body: (_ mountpoint: String) async throws -> Void) async throws {
    let directory = try TemporaryDirectory("demo")
    let mountpoint = directory.file("demo")
    try FileManager.default.createDirectory(atPath: mountpoint, withIntermediateDirectories: true)
    let demo = try await ChildProcess.start(
      MountedSystem.program, ["demo", mountpoint], environment: ["TMPDIR": directory.path], timeout: 120)
    do {
      let ready = try await ChildProcess.shell(
        "for i in $(seq 100); do mountpoint -q '\(mountpoint)' && exit 0; sleep 0.1; done; exit 1", timeout: 30)
      try #require(ready.status == 0, "\(demo.errorsSoFar)")
      try await body(mountpoint)
    } catch {
      demo.send(SIGINT)
      _ = await demo.outcome()
      _ = try? await ChildProcess.run("umount", ["-l", mountpoint])
      throw error
    }
    demo.send(SIGINT)
    let outcome = await demo.outcome()
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try await ChildProcess.run("mountpoint", ["-q", mountpoint]).status != 0)
  }

  @Test("It shows a task in every state, and files that spreadsheet programs open")
  func tour() async throws {
    try await withDemo { mountpoint in
      let words = try await ChildProcess.shell("head -qn1 '\(mountpoint)'/screenplay/*/status | sort")
      #expect(words.lines == ["cancelled", "completed", "failed", "pending", "running"])
      let results = "\(mountpoint)/screenplay/\(Self.completed)/results"
      let tested = try await ChildProcess.shell(
        """
        set -e
        cd '\(results)'
        for book in *.xlsx; do unzip -tq "$book"; done
        python3 - *.xlsx <<'PY'
        import sys, zipfile
        for name in sys.argv[1:]:
            book = zipfile.ZipFile(name)
            assert book.testzip() is None and 'xl/workbook.xml' in book.namelist(), name
        PY
        python3 -c 'import json,sys; [json.load(open(f)) for f in sys.argv[1:]]' *.json
        ls *.xlsx | wc -l
        """)
      #expect(tested.status == 0, "\(tested.output)\(tested.errors)")
      #expect((tested.lines.last.flatMap { Int($0) } ?? 0) > 1)
    }
  }

  @Test("A running task progresses as one watches")
  func progress() async throws {
    try await withDemo { mountpoint in
      let changed = try await ChildProcess.shell(
        """
        cd '\(mountpoint)'/screenplay/ros-sd-20260314-7be19f05
        first=$(grep progress status)
        for i in $(seq 60); do [ "$(grep progress status)" != "$first" ] && exit 0; sleep 0.5; done; exit 1
        """)
      #expect(changed.status == 0)
    }
  }

  @Test("A package behind a signed address shows its files, and gives the one that is read")
  func package() async throws {
    try await withDemo { mountpoint in
      let shown = try await ChildProcess.shell(
        """
        set -e
        cd '\(mountpoint)/pixxel'
        ls by-name | wc -l
        cd wf-5b1e7c20/job-20260313-01/task-ndvi
        head -n 1 status
        ls results
        wc -l < results/fields.csv
        od -An -tx1 -N4 results/ndvi.tif
        """, environment: ["LC_ALL": "C"])
      #expect(shown.status == 0, "\(shown.errors)")
      #expect(
        shown.lines.map { $0.trimmingCharacters(in: .whitespaces) } == [
          "2", "completed", "fields.csv", "metadata", "ndvi.tif", "41", "49 49 2a 00",
        ])
    }
  }

  @Test("LibreOffice opens a spreadsheet straight from the mount", .enabled(if: Self.hasLibreOffice))
  func libreOffice() async throws {
    try await withDemo { mountpoint in
      let converted = try await ChildProcess.shell(
        """
        out=$(mktemp -d) && HOME=$out soffice --headless --convert-to csv --outdir $out \
          '\(mountpoint)/screenplay/\(Self.completed)/results/merged.xlsx' >/dev/null 2>&1; wc -l < $out/merged.csv; rm -r $out
        """, timeout: 100)
      #expect((Int(converted.output.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0) > 1, "\(converted.errors)")
    }
  }

  private static let hasLibreOffice = FileManager.default.isExecutableFile(atPath: "/usr/bin/soffice")
}
