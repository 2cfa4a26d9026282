/// Workflows for `tollfs demo` and `tollfs simulate`. All of it is made up.
extension SampleTasks {
  /// The ids of the workflow, job and task whose package the tour looks into.
  public static let package = "wf-5b1e7c20/job-20260313-01/task-ndvi"

  /// Two workflows, in one of which two jobs have the same name.
  public static var workflows: [SimulatedWorkflow] {
    [
      SimulatedWorkflow(
        id: "wf-5b1e7c20", name: "Rice fields, weekly",
        jobs: [
          SimulatedJob(
            id: "job-20260313-01", name: "March",
            tasks: [
              SimulatedPixxelTask(id: "task-ndvi", name: "Vegetation index", package: fields, pendingAnswers: 1),
              SimulatedPixxelTask(
                id: "task-moisture", name: "Soil moisture",
                script: .fixed(.running(completedEpisodes: 9, totalEpisodes: 24))),
            ]),
          SimulatedJob(
            id: "job-20260320-01", name: "March",
            tasks: [
              SimulatedPixxelTask(
                id: "task-ndvi", name: "Vegetation index",
                state: .failed(code: "CLOUD_COVER", message: "No cloudless scene of the area in these days."))
            ]),
        ]),
      SimulatedWorkflow(
        id: "wf-9d40a3f6", name: "海岸线监测",
        jobs: [
          SimulatedJob(
            id: "job-20260301-01", name: "第一次",
            tasks: [
              SimulatedPixxelTask(id: "task-report", name: "报告", package: report),
              SimulatedPixxelTask(id: "task-scenes", name: "Scenes", state: .pending),
            ])
        ]),
    ]
  }

  /// A zip as an imagery provider packs it: pictures stored, since their own formats compress, and tables deflated.
  private static var fields: SimulatedPackage {
    var rows = ["field,area_ha,ndvi_mean,ndvi_min,ndvi_max"]
    for number in 1...40 {
      let mean = 450 + number * 37 % 300
      rows.append("F\(number),\(2 + number % 7).\(number % 10),0.\(mean),0.\(mean - 120),0.\(mean + 140)")
    }
    let about = JSONText.object([
      ("scene", .string("simulated-20260313")), ("cloud_cover", .double(0.04)), ("crs", .string("EPSG:4326")),
      ("bands", .array(["red", "nir"].map { .string($0) })),
    ])
    return .zip(
      [
        SimulatedFile(path: "ndvi.tif", bytes: picture.bytes, method: .stored),
        SimulatedFile(path: "fields.csv", text: rows.joined(separator: "\n") + "\n"),
        SimulatedFile(path: "metadata/scene.json", text: about.indented() + "\n"),
      ], name: "task-ndvi.zip")
  }

  /// A package that is no archive.
  private static var report: SimulatedPackage {
    .bytes(
      Array("# 海岸线监测\n\nThe shore has moved by 0.3 m since January.\n".utf8), name: "report.md"
    ).with { $0.disposition = "attachment; filename=\"report.md\"" }
  }

  /// Fields in a chequered pattern on a slope, from 0 to 10,000 as indices are scaled.
  static var picture: SampleImage {
    SampleImage(width: 256, height: 256, corner: (113.2, 28.9), resolution: 0.0001) { column, row in
      let field = (column / 32 * 5 + row / 32 * 3) % 7
      return UInt16(2_000 + field * 900 + (column + row) * 4 + column * row % 61)
    }
  }
}
