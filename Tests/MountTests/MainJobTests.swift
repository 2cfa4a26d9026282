import APISimulator
import Foundation
import TestSupport
import Testing

/// What the product is for, as a user does it.
@Suite("A mounted screenplay task", .serialized, .timeLimit(.minutes(5)))
struct MainJobTests {
  private let id = SampleFiles.id

  @Test("rsync equals unzip of the same download, is billed once, and copies nothing the second time")
  func rsync() async throws {
    try await MountedSystem.with([SampleFiles.task()], .init(tasks: [id])) { system in
      let source = system.path("screenplay/\(id)/results/")
      let copy = system.directory.file("out")
      #expect(try await system.shell("rsync -a '\(source)' '\(copy)'").status == 0)
      let bill = system.simulator.counters().task(id)
      #expect(bill.download == 1)
      #expect(bill.billedMicroDollars == (SampleFiles.bytes * 120_000 + 999_999_999) / 1_000_000_000)

      let unpacked = system.directory.file("unzipped")
      let direct = try await system.shell(
        "curl -sf -H 'Authorization: \(MountedSystem.key)' '\(system.endpoint)/screenplay/tasks/\(id)/download' -o $M/../d.zip"
          + " && unzip -q $M/../d.zip -d '\(unpacked)' && diff -r '\(copy)' '\(unpacked)'")
      #expect(direct.status == 0, "\(direct.output)\(direct.errors)")

      func copiesNothing(_ when: Comment) async throws {
        let again = try await system.shell("rsync -ai '\(source)' '\(copy)'")
        #expect(again.status == 0, when)
        #expect(again.lines.filter { $0.hasPrefix(">f") } == [], when)
      }
      try await copiesNothing("at once")
      try await system.unmount()
      await system.simulator.stop()
      try await system.mount()
      try await copiesNothing("after a remount, with the API gone")
      #expect(system.simulator.counters().task(id).download == 2)
    }
  }

  @Test("cat status shows a change made at the API since the last cat")
  func progress() async throws {
    try await MountedSystem.with([SimulatedTask(id: id, state: .pending)]) { system in
      let status = system.path("screenplay/\(id)/status")
      #expect(try await system.shell("head -1 '\(status)'").output == "pending\n")
      system.simulator.setState(id, .running(completedEpisodes: 12, totalEpisodes: 87))
      let running = try await system.shell("cat '\(status)'").output
      #expect(running.hasPrefix("running\n"))
      #expect(running.contains("progress: 12/87 episodes (13%)\n"))
      #expect(try await system.shell("ls $M/screenplay/\(id)").lines == ["cost", "status", "status.json"])
      system.simulator.setState(id, .completed)
      #expect(try await system.shell("ls $M/screenplay/\(id)").lines == ["cost", "results", "status", "status.json"])
      let json = try await system.shell(
        "python3 -c 'import json,sys; print(json.load(sys.stdin)[\"data\"][\"status\"])' < \(status).json")
      #expect(json.output == "completed\n")
    }
  }

  @Test("A failed task says why, and has no results")
  func failed() async throws {
    let task = SimulatedTask(id: id, state: .failed(code: "E42", message: "no sound track"))
    try await MountedSystem.with([task]) { system in
      let status = try await system.shell("cat $M/screenplay/\(id)/status").output
      #expect(status.hasPrefix("failed\n"))
      #expect(status.contains("error_code: E42\nerror_message: no sound track\n"))
      #expect(try await system.shell("ls $M/screenplay/\(id)").lines == ["cost", "status", "status.json"])
      let results = try await system.shell("ls $M/screenplay/\(id)/results")
      #expect(results.errors.contains("No such file or directory"))
    }
  }

  @Test("What the budget does not allow fails with EDQUOT, before any download request, and cost says why")
  func refused() async throws {
    let settings = MountedSystem.Settings(budget: ["daily: 0.0001"], tasks: [id])
    try await MountedSystem.with([SampleFiles.task()], settings) { system in
      for attempt in ["ls $M/screenplay/\(id)/results", "cat $M/screenplay/\(id)/results/namelist.json"] {
        let outcome = try await system.shell(attempt)
        #expect(outcome.status != 0)
        #expect(outcome.errors.contains("Disk quota exceeded"), "\(attempt): \(outcome.errors)")
      }
      #expect(system.simulator.counters().total.download == 0)
      let cost = try await system.shell("cat $M/screenplay/\(id)/cost").output
      #expect(cost.contains("verdict: refused\n"))
      #expect(cost.contains("daily"))
      #expect(cost.contains("tollfs approve screenplay/\(id) --max"))
      let reason = try await system.shell("getfattr --only-values -n user.tollfs.error $M/screenplay/\(id)/results")
        .output
      #expect(reason.contains("daily"))
      #expect(try await system.shell("cat $M/.tollfs/errors").output.contains("EDQUOT screenplay/\(id)/results"))
      // Everything that is not the results stays free.
      #expect(
        try await system.shell("ls -lR $M/screenplay/\(id)/status && du -a $M/.tollfs && cat $M/.tollfs/budget").status
          == 0)
      #expect(try await system.tollfs("fetch", "screenplay/\(id)").status == 3)
      #expect(system.simulator.counters().total.download == 0)
    }
  }

  @Test("Without a budget nothing billed is ever opened")
  func noBudget() async throws {
    try await MountedSystem.with([SampleFiles.task()], .init(budget: nil, tasks: [id])) { system in
      let outcome = try await system.shell("ls $M/screenplay/\(id)/results")
      #expect(outcome.errors.contains("Disk quota exceeded"))
      #expect(system.simulator.counters().total.download == 0)
    }
  }

  @Test("The first member of a slow stream is readable while the rest is still arriving")
  func early() async throws {
    let files = [
      SimulatedFile(path: "first.json", text: "first\n"),
      SimulatedFile(path: "rest.bin", content: .generated(GeneratedContent(seed: 1, size: 900_000)), method: .stored),
    ]
    let task = SimulatedTask(id: id, files: files, style: .seekable)
    try await MountedSystem.with([task], .init(tasks: [id])) { system in
      system.simulator.setFaults(.with { $0.bytesPerSecond = 100_000 }, kind: .download)
      #expect(try await system.shell("cat $M/screenplay/\(id)/results/first.json").output == "first\n")
      #expect(system.simulator.requests().last { $0.kind == .download }?.completed == nil)
      // The rest has its exact size before its last byte is there, and its reader waits for it.
      let rest = try await system.shell(
        "stat -c %s $M/screenplay/\(id)/results/rest.bin && head -c 10000 $M/screenplay/\(id)/results/rest.bin | wc -c")
      #expect(rest.lines == ["900000", "10000"])
      #expect(system.simulator.requests().last { $0.kind == .download }?.completed == nil)
      #expect(try await system.shell("wc -c < $M/screenplay/\(id)/results/rest.bin").output == "900000\n")
      #expect(try await system.shell("ls $M/screenplay/\(id)/results").lines == ["first.json", "rest.bin"])
      #expect(system.simulator.counters().task(id).download == 1)
    }
  }

  @Test(
    "A member whose size only its data descriptor tells is readable when it is whole, while the rest is still arriving")
  func earlyStreamed() async throws {
    let files = [
      SimulatedFile(path: "first.json", text: "first\n"),
      SimulatedFile(path: "rest.bin", content: .generated(GeneratedContent(seed: 1, size: 900_000))),
    ]
    try await MountedSystem.with([SimulatedTask(id: id, files: files, style: .streamed)], .init(tasks: [id])) {
      system in
      system.simulator.setFaults(.with { $0.bytesPerSecond = 100_000 }, kind: .download)
      let first = try await system.shell("cat $M/screenplay/\(id)/results/first.json")
      #expect(first.output == "first\n")
      #expect(system.simulator.requests().last { $0.kind == .download }?.completed == nil)
      #expect(try await system.shell("wc -c < $M/screenplay/\(id)/results/rest.bin").output == "900000\n")
      #expect(system.simulator.counters().task(id).download == 1)
    }
  }

  @Test("However many open it at the same moment, it is downloaded once")
  func together() async throws {
    try await MountedSystem.with([SampleFiles.task()], .init(tasks: [id])) { system in
      system.simulator.setFaults(.with { $0.delay = 0.3 }, kind: .download)
      let script = """
        for i in $(seq 12); do
          ( cat $M/screenplay/\(id)/results/noise.bin | sha256sum; ls $M/screenplay/\(id)/results | wc -l ) &
        done; wait
        """
      let outcome = try await system.shell(script)
      #expect(Set(outcome.lines).count == 2, "\(outcome.output)")
      #expect(outcome.lines.count == 24)
      #expect(system.simulator.counters().task(id).download == 1)
      #expect(system.simulator.counters().task(id).billedDownloads == 1)
    }
  }

  @Test("Programs that people use read the same bytes")
  func programs() async throws {
    try await MountedSystem.with([SampleFiles.task()], .init(tasks: [id])) { system in
      let results = "$M/screenplay/\(id)/results"
      let expected = SampleFiles.all.last?.bytes(at: 0, count: 3_000_001) ?? []
      let original = system.directory.file("noise.bin")
      try Data(expected).write(to: URL(fileURLWithPath: original))
      let outcome = try await system.shell(
        """
        set -e
        cmp \(results)/noise.bin \(original)
        cp \(results)/noise.bin $M/../copy && cmp $M/../copy \(original)
        head -c 5 \(results)/noise.bin > $M/../head && head -c 5 \(original) | cmp - $M/../head
        tail -c 7 \(results)/noise.bin > $M/../tail && tail -c 7 \(original) | cmp - $M/../tail
        python3 - \(results)/noise.bin \(original) <<'PY'
        import mmap, random, sys
        a = open(sys.argv[1], 'rb'); b = open(sys.argv[2], 'rb').read()
        m = mmap.mmap(a.fileno(), 0, prot=mmap.PROT_READ)
        assert m[:] == b
        for _ in range(500):
            at = random.randrange(len(b)); n = random.randrange(70000)
            a.seek(at); assert a.read(n) == b[at:at + n], (at, n)
        PY
        find \(results) -type f | wc -l
        """)
      #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
      #expect(outcome.lines.last == "\(SampleFiles.all.count)")
    }
  }

  @Test("Nothing can be written, and the kernel says so")
  func readOnly() async throws {
    try await MountedSystem.with([SampleFiles.task()], .init(tasks: [id])) { system in
      _ = try await system.shell("ls $M/screenplay/\(id)/results")
      for attempt in [
        "echo x > $M/new", "echo x >> $M/screenplay/\(id)/results/namelist.json",
        "rm $M/screenplay/\(id)/results/namelist.json",
        "mkdir $M/screenplay/\(id)/results/d", "mv $M/README.txt $M/r", "chmod 777 $M/README.txt",
        "touch $M/screenplay/\(id)/results/namelist.json",
      ] {
        let outcome = try await system.shell(attempt)
        #expect(outcome.errors.contains("Read-only file system"), "\(attempt): \(outcome.errors)")
      }
      let options = try await system.shell("grep \" $M \" /proc/mounts").output
      for option in ["ro", "nosuid", "nodev", "noexec", "fuse.tollfs"] { #expect(options.contains(option)) }
      #expect(!options.contains("allow_other"))
    }
  }

  @Test("A path that names a task adds it; an unknown one is ENOENT and asks the API once")
  func adding() async throws {
    try await MountedSystem.with([SampleFiles.task()]) { system in
      #expect(try await system.shell("ls $M/screenplay").lines == [])
      #expect(try await system.shell("head -1 $M/screenplay/\(id)/status").output == "completed\n")
      #expect(try await system.shell("ls $M/screenplay").lines == [id])
      for _ in 0..<5 {
        let missing = try await system.shell("cat $M/screenplay/no-such-task/status")
        #expect(missing.errors.contains("No such file or directory"))
      }
      #expect(system.simulator.counters().task("no-such-task").status == 1)
      let requests = system.simulator.counters().total.requests
      _ = try await system.shell(
        "ls -la $M/screenplay/.Trash $M/screenplay/.hidden $M/screenplay/autorun.inf $M/.Trash-0")
      #expect(system.simulator.counters().total.requests == requests)
      #expect(try await system.tollfs("forget", "screenplay/\(id)").status == 0)
      #expect(try await system.shell("ls $M/screenplay").lines == [])
    }
  }
}
