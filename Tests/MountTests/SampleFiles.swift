import APISimulator

/// Files as a screenplay task has them: some JSON per episode, text that compresses, noise that doesn't, names in Chinese.
enum SampleFiles {
  static let id = "ros-sd-20260313-a3f8c2b1"

  static let episodes: [SimulatedFile] = (1...6).flatMap { episode in
    [
      SimulatedFile(
        path: "ep\(episode)_transcript.json", text: "{\"episode\": \(episode), \"lines\": [\"你好\", \"goodbye\"]}\n"),
      SimulatedFile(
        path: "ep\(episode)_storyboard.json",
        content: .generated(GeneratedContent(seed: UInt64(episode), size: 70_000 + Int64(episode), texture: .text))),
    ]
  }

  static let all: [SimulatedFile] =
    episodes + [
      SimulatedFile(path: "namelist.json", text: "[]\n", method: .stored),
      SimulatedFile(path: "empty.json", text: ""),
      SimulatedFile(path: "第一集/分镜 表.json", text: "{}\n"),
      SimulatedFile(path: "noise.bin", content: .generated(GeneratedContent(seed: 99, size: 3_000_001))),
    ]

  static var bytes: Int64 { all.reduce(0) { $0 + $1.size } }

  static func task(_ style: ZipStyle = .streamed, id: String = id) -> SimulatedTask {
    SimulatedTask(id: id, files: all, style: style)
  }
}

extension SimulatedFile {
  init(path: String, content: Content, method: Method = .deflated(level: 6)) {
    self.init(name: Array(path.utf8), content: content, method: method)
  }
}
