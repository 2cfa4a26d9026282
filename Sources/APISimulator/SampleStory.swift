/// The series whose sample results `demo` shows. All of it is made up.
struct SampleStory {
  struct Character {
    let name: String
    let role: String
    let looks: String
  }

  struct Line {
    let start: Double
    let end: Double
    let speaker: String
    let text: String
  }

  struct Scene {
    let number: Int
    let place: String
    let time: String
    let summary: String
    let lines: [Line]
    let shots: [String]
  }

  struct Episode {
    let number: Int
    /// What its files' names begin with.
    let label: String
    let title: String
    let scenes: [Scene]
  }

  static let title = "灯塔来信 · Letters to the Lighthouse"

  static let characters = [
    Character(
      name: "Wren", role: "keeper of a lighthouse that no ship needs any more", looks: "grey coat, ink on her fingers"),
    Character(name: "小满", role: "邮差，每周三骑车来一次", looks: "黄色雨衣，旧自行车"),
    Character(name: "Odd", role: "a radio amateur who is only ever heard", looks: "never seen"),
    Character(name: "老海", role: "修船的人，知道岛上所有的事", looks: "花白胡子，手里总有一把锤子"),
  ]

  private static let titles = [
    ("S01E01_The_First_Letter", "The First Letter"), ("第02集_雨夜的电台", "雨夜的电台"),
    ("S01E03_Low_Tide", "Low Tide"), ("第04集_灯塔的另一边", "灯塔的另一边"),
  ]

  private static let places = [
    ("INT. LIGHTHOUSE - LAMP ROOM", "night"), ("EXT. PIER", "dawn"), ("内景 · 邮局", "白天"),
    ("EXT. CAUSEWAY AT LOW TIDE", "day"),
    ("内景 · 船坞", "傍晚"), ("INT. RADIO SHED", "night"), ("外景 · 悬崖小路", "雨夜"),
  ]

  private static let dialogue = [
    ("Wren", "There is no stamp on it. Somebody walked it here."), ("小满", "周三以外，我从不上岛。这封信不是我送的。"),
    ("Odd", "Lighthouse, this is nobody in particular. Do you read me?"), ("老海", "四十年前，那条船就该修好了。"),
    ("Wren", "I read you. Who taught you to call on this frequency?"),
    ("Odd", "You did. Or you will. The tide is confusing today."),
    ("小满", "信封是干的，可外面下了一夜的雨。"), ("老海", "别问灯为什么亮，要问它照的是谁。"),
    ("Wren", "Then we light it tonight, ship or no ship."), ("Odd", "Good. I can see you from here."),
    ("小满", "你听见了吗？海的那一边有人在敲钟。"), ("老海", "把绳子给我，再把门关上。"),
  ]

  private static let summaries = [
    "Wren finds a letter that nobody can have delivered.", "小满否认自己送过那封信。",
    "A voice on the old frequency knows her name.", "老海讲起一条没有修完的船。",
    "The lamp is lit for the first time in eleven years.", "钟声从没有岛的方向传来。",
  ]

  private static let shots = [
    "wide: the lamp turns, dust in its beam", "close: ink drying on a finger", "特写：信封上没有邮票",
    "tracking: a bicycle along the causeway", "over the shoulder: the needle of the receiver jumps", "空镜：雨落在船坞的铁皮顶上",
  ]

  static func episodes(_ count: Int) -> [Episode] {
    (0..<count).map { index in
      let (label, title) = titles[index % titles.count]
      return Episode(number: index + 1, label: label, title: title, scenes: (0..<12).map { scene(index, $0) })
    }
  }

  /// Picks from the lists above by numbers without a common pattern, so that no two scenes are alike and every run is.
  private static func scene(_ episode: Int, _ index: Int) -> Scene {
    let seed = episode * 31 + index * 7
    let (place, time) = places[seed % places.count]
    var clock = Double(index) * 95 + 4
    let lines = (0..<(5 + seed % 4)).map { number -> Line in
      let (speaker, text) = dialogue[(seed * 5 + number * 7) % dialogue.count]
      let length = 2.5 + Double((seed + number) % 5) / 2
      defer { clock += length + 1.25 }
      return Line(start: clock, end: clock + length, speaker: speaker, text: text)
    }
    return Scene(
      number: index + 1, place: place, time: time, summary: summaries[(seed + index) % summaries.count], lines: lines,
      shots: (0..<3).map { shots[(seed + $0 * 5) % shots.count] })
  }
}
