/// Tasks for `tollfs demo` and `tollfs simulate`: one in every state the API knows.
public enum SampleTasks {
  public static let pending = "ros-sd-20260315-0c4d9e72"
  /// Runs on while one watches, an episode every three seconds, and completes after about four minutes.
  public static let running = "ros-sd-20260314-7be19f05"
  public static let completed = "ros-sd-20260313-a3f8c2b1"
  public static let failed = "ros-sd-20260312-5d20aa6e"
  public static let cancelled = "ros-sd-20260311-e98b417c"

  /// All five; the script of the running one begins when they are added.
  /// - Parameter secondsPerEpisode: how fast the running one goes on.
  public static func all(secondsPerEpisode: Double = 3) -> [SimulatedTask] {
    [
      SimulatedTask(id: pending, state: .pending),
      SimulatedTask(
        id: running,
        script: .progressing(fromEpisode: 12, totalEpisodes: 87, secondsPerEpisode: secondsPerEpisode),
        result: .files(results(episodes: 1), style: .streamed)),
      SimulatedTask(id: completed, files: results(episodes: 4)),
      SimulatedTask(
        id: failed,
        state: .failed(code: "VIDEO_DECODE_FAILED", message: "Episode 3: the video stream could not be decoded.")),
      SimulatedTask(id: cancelled, state: .cancelled),
    ]
  }

  /// The files of a task with require_json, require_xlsx and require_merge_xlsx: what the download page lists.
  static func results(episodes count: Int) -> [SimulatedFile] {
    let episodes = SampleStory.episodes(count)
    var files = [json("namelist.json", names)]
    for episode in episodes {
      files.append(json("\(episode.label)_transcript.json", transcript(episode)))
      files.append(json("\(episode.label)_storyboard.json", storyboard(episode)))
      files.append(SimulatedFile(path: "\(episode.label).xlsx", bytes: Workbook(sheets: [sheet(episode)]).bytes))
    }
    files.append(SimulatedFile(path: "merged.xlsx", bytes: Workbook(sheets: [merged(episodes)]).bytes))
    return files
  }

  private static func json(_ path: String, _ value: JSONText) -> SimulatedFile {
    SimulatedFile(path: path, text: value.indented() + "\n")
  }

  private static var names: JSONText {
    .object([
      ("series", .string(SampleStory.title)),
      (
        "characters",
        .array(
          SampleStory.characters.map {
            .object([("name", .string($0.name)), ("role", .string($0.role)), ("looks", .string($0.looks))])
          })
      ),
    ])
  }

  private static func transcript(_ episode: SampleStory.Episode) -> JSONText {
    let lines = episode.scenes.flatMap(\.lines).map {
      JSONText.object([
        ("start", .double($0.start)), ("end", .double($0.end)), ("speaker", .string($0.speaker)),
        ("text", .string($0.text)),
      ])
    }
    return .object([
      ("series", .string(SampleStory.title)), ("episode", .int(Int64(episode.number))),
      ("title", .string(episode.title)),
      ("lines", .array(lines)),
    ])
  }

  private static func storyboard(_ episode: SampleStory.Episode) -> JSONText {
    let scenes = episode.scenes.map { scene in
      JSONText.object([
        ("scene", .int(Int64(scene.number))), ("place", .string(scene.place)), ("time", .string(scene.time)),
        ("summary", .string(scene.summary)),
        ("characters", .array(speakers(scene).map { .string($0) })),
        ("shots", .array(scene.shots.map { .string($0) })),
      ])
    }
    return .object([
      ("episode", .int(Int64(episode.number))), ("title", .string(episode.title)), ("scenes", .array(scenes)),
    ])
  }

  private static let heading = ["Scene", "Place", "Time", "Summary", "Characters", "Shots", "Lines"]
  private static let widths = [8, 30, 10, 50, 24, 60, 8]

  private static func sheet(_ episode: SampleStory.Episode) -> Workbook.Sheet {
    Workbook.Sheet(
      name: "Episode \(episode.number)", rows: [heading.map { .text($0) }] + episode.scenes.map(row), widths: widths)
  }

  private static func merged(_ episodes: [SampleStory.Episode]) -> Workbook.Sheet {
    let rows = episodes.flatMap { episode in
      episode.scenes.map { [.number(Double(episode.number)), .text(episode.title)] + row($0) }
    }
    return Workbook.Sheet(
      name: "All episodes", rows: [(["Episode", "Title"] + heading).map { .text($0) }] + rows, widths: [8, 24] + widths)
  }

  private static func row(_ scene: SampleStory.Scene) -> [Workbook.Cell] {
    [
      .number(Double(scene.number)), .text(scene.place), .text(scene.time), .text(scene.summary),
      .text(speakers(scene).joined(separator: ", ")), .text(scene.shots.joined(separator: "; ")),
      .number(Double(scene.lines.count)),
    ]
  }

  /// Each speaker once, in the order in which they speak.
  private static func speakers(_ scene: SampleStory.Scene) -> [String] {
    var seen: Set<String> = []
    return scene.lines.map(\.speaker).filter { seen.insert($0).inserted }
  }
}
