/// Where an API key is to be found. The configuration never holds the key itself.
enum KeySource: Hashable, Sendable {
  case environment(variable: String)
  /// Absolute path of a file that only its owner can read.
  case file(path: String)
  /// A line of shell that prints the key.
  case command(String)

  /// For people; a command may hold a secret, so it is not shown.
  var description: String {
    switch self {
    case .environment(let variable): "environment variable \(variable)"
    case .file(let path): "file \(path)"
    case .command: "a command (not shown)"
    }
  }
}
