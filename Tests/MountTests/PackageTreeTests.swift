import APISimulator
import TestSupport
import Testing

@Suite("Workflows, jobs and tasks as directories")
struct PackageTreeTests {
  private let workflows = [
    SimulatedWorkflow(
      id: "wf-a", name: "Crops",
      jobs: [
        SimulatedJob(
          id: "job-a", name: "May / June",
          tasks: [
            SimulatedPixxelTask(
              id: "t-done", name: "North", state: .completed, package: .bytes([1, 2, 3], name: "x.bin")),
            SimulatedPixxelTask(id: "t-twin", name: "North", state: .failed(code: "E7", message: "clouds")),
            SimulatedPixxelTask(id: "t-run", script: .fixed(.running(completedEpisodes: 12, totalEpisodes: 87))),
          ]),
        SimulatedJob(id: "job-b"),
      ]),
    SimulatedWorkflow(id: "wf-b", name: "Water"),
  ]

  private func mounted(
    more: [SimulatedWorkflow] = [], _ body: (MountedSystem) async throws -> Void
  ) async throws {
    var settings = MountedSystem.Settings()
    settings.pixxel = []
    try await MountedSystem.with([], settings, mounted: false) { system in
      for workflow in workflows + more { system.simulator.put(workflow) }
      try await system.mount()
      try await body(system)
    }
  }

  @Test("Each level is listed from the API, with links by name beside the ids")
  func levels() async throws {
    try await mounted { system in
      let top = try await system.shell("ls $M")
      #expect(top.lines == ["README.txt", "pixxel", "screenplay"])
      #expect(try await system.shell("ls $M/pixxel").lines == ["by-name", "wf-a", "wf-b"])
      #expect(try await system.shell("ls $M/pixxel/wf-a $M/pixxel/wf-a/job-a | sort").lines.contains("t-run"))
      #expect(try await system.shell("ls $M/pixxel/wf-a/job-a").lines == ["by-name", "t-done", "t-run", "t-twin"])
      #expect(
        try await system.shell("ls $M/pixxel/wf-a/job-a/by-name").lines == ["North (t-done)", "North (t-twin)"])
      #expect(try await system.shell("readlink \"$M/pixxel/by-name/Crops\"").output == "../wf-a\n")
      #expect(
        try await system.shell("head -1 \"$M/pixxel/by-name/Crops/by-name/May _ June/t-done/status\"").output
          == "completed\n")
      #expect(try await system.shell("ls $M/pixxel/wf-b").lines == ["by-name"])
      #expect(try await system.shell("ls $M/pixxel/wf-a/job-a/t-run").lines == ["cost", "status", "status.json"])
      #expect(
        try await system.shell("ls $M/pixxel/wf-a/job-a/t-done").lines == ["cost", "results", "status", "status.json"])
    }
  }

  @Test("status, status.json and names come from the job's entry, and many readers share one call")
  func statuses() async throws {
    try await mounted { system in
      let statuses = try await system.shell("cat $M/pixxel/wf-a/job-a/*/status")
      #expect(statuses.output.contains("failed\n") && statuses.output.contains("error_message: clouds"))
      #expect(statuses.output.contains("progress: 13%"), "\(statuses.output)")
      // `by-name` is no task: three statuses, one call to list the job and at most one more.
      #expect(system.simulator.counters().task("wf-a/job-a").job <= 2)
      let raw = try await system.shell("cat $M/pixxel/wf-a/job-a/t-twin/status.json")
      #expect(raw.output.hasPrefix("{") && raw.output.contains("\"t-twin\"") && !raw.output.contains("t-run"))
      #expect(
        try await system.shell("getfattr --only-values -n user.tollfs.name $M/pixxel/wf-a/job-a/t-done").output
          == "North")
      #expect(try await system.shell("getfattr --only-values -n user.tollfs.name $M/pixxel/wf-a").status != 0)
      // Attributes ask nobody: a name is known once it was listed.
      let named = try await system.shell(
        "ls $M/pixxel > /dev/null; getfattr --only-values -n user.tollfs.name $M/pixxel/wf-a")
      #expect(named.output == "Crops")
      #expect(
        try await system.shell("getfattr --only-values -n user.tollfs.status $M/pixxel/wf-a/job-a/t-done").output
          == "completed")
    }
  }

  @Test("What the API does not know is ENOENT; what can't be asked is not")
  func unknown() async throws {
    try await mounted { system in
      for path in ["wf-x", "wf-a/job-x", "wf-a/job-a/t-x", "wf-a/job-a/t-x/status", "wf-x/job/t/status"] {
        let outcome = try await system.shell("stat $M/pixxel/\(path)")
        #expect(outcome.errors.contains("No such file"), "\(path): \(outcome.errors)")
      }
      #expect(try await system.shell("cat $M/pixxel/wf-a/job-a/t-done/status").status == 0)
      await system.simulator.stop()
      try await system.eventually("the listing is no longer believed") {
        try await system.shell("ls $M/pixxel/wf-a").status != 0
      }
      let listing = try await system.shell("ls $M/pixxel/wf-b; stat $M/pixxel/wf-q")
      #expect(!listing.errors.contains("No such file"), "\(listing.errors)")
      #expect(listing.errors.contains("No route to host"), "\(listing.errors)")
      // A final status is known, and so is the way to it.
      let status = try await system.shell("cat $M/pixxel/wf-a/job-a/t-done/status")
      #expect(status.output.hasPrefix("completed\n") && status.output.contains("stale: true"), "\(status.errors)")
    }
  }

  @Test("Workflows come page by page, and a walk above results/ asks for no package")
  func pages() async throws {
    let many = (1...120).map { SimulatedWorkflow(id: "many-\($0)", name: "Many \($0)") }
    try await mounted(more: many) { system in
      #expect(try await system.shell("ls $M/pixxel | wc -l").output == "123\n")
      let walk = try await system.shell(
        "find $M/pixxel -maxdepth 4 | wc -l; ls -lR $M/pixxel/wf-b $M/pixxel/wf-a/job-b; ls -l $M/pixxel/wf-a/job-a/*; "
          + "du -a -d 4 $M/pixxel/wf-b > /dev/null")
      #expect(walk.status == 0, "\(walk.errors)")
      let total = system.simulator.counters().total
      #expect(total.put == 0 && total.get == 0 && total.putJob == 0)
      let listed = try await system.tollfs("ls", "pixxel")
      #expect(listed.lines.contains("pixxel/wf-a/job-a/t-run"), "\(listed.errors)")
    }
  }

  @Test("The key is sent as configured, and refused where it is wrong")
  func keys() async throws {
    var settings = MountedSystem.Settings()
    settings.pixxel = ["authorization: bearer"]
    var simulator = APISimulator.Configuration()
    simulator.pixxel.authorization = .bearer
    try await MountedSystem.with([], settings, simulator: simulator, mounted: false) { system in
      for workflow in workflows { system.simulator.put(workflow) }
      try await system.mount()
      #expect(try await system.shell("ls $M/pixxel").lines == ["by-name", "wf-a", "wf-b"])
    }
    settings.pixxel = ["authorization: raw"]
    try await MountedSystem.with([], settings, simulator: simulator) { system in
      let refused = try await system.shell("ls $M/pixxel")
      #expect(refused.errors.contains("Permission denied"))
    }
  }
}
