import APISimulator
import Foundation
import TestSupport
import Testing

// Real indexers and thumbnailers let loose on a mount; the simulator's counters say whether any of them cost something. Each test
// says what is missing where its program is not installed.
@Suite("Crawlers", .serialized)
struct CrawlerTests {
  private let screenplay = SampleFiles.task()

  /// A mount with one completed screenplay task, nothing of it in the cache, and one completed Pixxel task.
  private func mounted(_ body: (MountedSystem) async throws -> Void) async throws {
    var settings = MountedSystem.Settings(tasks: [SampleFiles.id])
    settings.pixxel = []
    try await MountedSystem.with([screenplay], settings, mounted: false) { system in
      let package = SimulatedPackage.zip(PackageFiles.mixed)
      let task = SimulatedPixxelTask(id: "task-1", state: .completed, package: package)
      system.simulator.put(
        SimulatedWorkflow(id: "wf-1", jobs: [SimulatedJob(id: "job-1", tasks: [task])]))
      try await system.mount()
      // What a person does first: the desktop sees the files from then on.
      _ = try await system.shell("ls $M/screenplay/*; ls $R > /dev/null")
      system.simulator.resetCounters()
      try await body(system)
    }
  }

  private func expectNothingFetched(_ system: MountedSystem, by program: String) {
    let total = system.simulator.counters().total
    #expect(total.download == 0 && total.put == 0 && total.get == 0, "\(program): \(total)")
  }

  private func isInstalled(_ program: String) async throws -> Bool {
    let outcome = try await ChildProcess.shell("command -v \(program)")
    if outcome.status != 0 { print("skipped: \(program) is not installed") }
    return outcome.status == 0
  }

  @Test("updatedb of plocate goes through the mount and downloads nothing")
  func updatedb() async throws {
    guard try await isInstalled("updatedb.plocate") else { return }
    try await mounted { system in
      let outcome = try await system.shell(
        "updatedb.plocate -l no --prunefs '' --prunepaths '' --prune-bind-mounts no -U $M -o $D/plocate.db; "
          + "plocate -d $D/plocate.db -c status.json")
      expectNothingFetched(system, by: "updatedb")
      #expect(outcome.output == "2\n", "it saw the tasks: \(outcome.output) \(outcome.errors)")
      #expect(try await system.shell("cat $M/.tollfs/errors").output.contains("an indexer asked"))
    }
  }

  @Test("Programs with the names of indexers and thumbnailers download nothing, by whatever call they try it")
  func names() async throws {
    try await mounted { system in
      // The names in /proc/PID/comm are what counts; the programs are real readers.
      for name in ["tumblerd", "tracker-extract", "localsearch-3", "baloo_file"] {
        let outcome = try await system.shell(
          """
          cp /bin/cat $D/\(name); $D/\(name) $M/screenplay/\(SampleFiles.id)/results/noise.bin; $D/\(name) $R/bands/B2.tif
          cp "$(command -v find)" $D/x-\(name); mkdir -p $D/f; cp "$(command -v find)" $D/f/\(name); $D/f/\(name) $M -type f
          """)
        #expect(outcome.errors.contains("Permission denied"), "\(name): \(outcome.errors)")
      }
      expectNothingFetched(system, by: "crawlers")
      #expect(try await system.shell("cat $R/bands/B2.tif | wc -c").output == "40000\n")
    }
  }

  @Test("tumblerd asks for nothing on the mount that costs anything")
  func tumbler() async throws {
    guard try await isInstalled("dbus-run-session"), try await isInstalled("gdbus") else { return }
    let paths = try await ChildProcess.shell("ls /usr/lib/*/tumbler-1/tumblerd 2>/dev/null | head -1")
    guard let program = paths.lines.first else {
      print("skipped: tumblerd is not installed")
      return
    }
    try await mounted { system in
      let outcome = try await system.shell(
        """
        export HOME=$D XDG_CACHE_HOME=$D/thumbs
        dbus-run-session -- sh -c '
          \(program) & sleep 2
          for f in "$0/screenplay/\(SampleFiles.id)/results/noise.png" "$1/bands/B2.tif"; do
            gdbus call --session --dest org.freedesktop.thumbnails.Thumbnailer1 \
              --object-path /org/freedesktop/thumbnails/Thumbnailer1 \
              --method org.freedesktop.thumbnails.Thumbnailer1.Queue \
              "[\\"file://$f\\"]" "[\\"image/tiff\\"]" normal default 0
          done
          sleep 3; kill %1 2>/dev/null; true' "$M" "$R"
        """, timeout: 60)
      #expect(outcome.output.contains("(uint32"), "it took the order: \(outcome.output) \(outcome.errors)")
      expectNothingFetched(system, by: "tumblerd")
    }
  }

  @Test("find, du, ls -lR and completion above results/ cause no billed request")
  func walks() async throws {
    try await mounted { system in
      let outcome = try await system.shell(
        """
        find $M -maxdepth 3 -name '*.x'; du -a -d 2 $M/screenplay/../.tollfs; ls -lR $M/.tollfs
        ls -l $M/screenplay $M/screenplay/*; bash -c 'compgen -f $M/screenplay/ros; compgen -d $M/screenplay/\(SampleFiles.id)/'
        find $M/screenplay -name results -prune; du -a --exclude=results $M/screenplay
        """)
      #expect(outcome.status == 0, "\(outcome.errors)")
      expectNothingFetched(system, by: "walks")
    }
  }
}
