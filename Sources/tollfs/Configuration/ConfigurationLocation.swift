import Glibc

/// Which file is read and where things are by default.
struct ConfigurationLocation: Hashable, Sendable {
  let path: String
  /// Somebody named this very file: that it is missing is an error.
  let isExplicit: Bool

  /// `--config FILE`, else `$TOLLFS_CONFIG`, else `$XDG_CONFIG_HOME/tollfs/config.yaml`, else below `~/.config`.
  /// Returns nil when nothing says where home is.
  static func find(flag: String?, surroundings: Surroundings) -> ConfigurationLocation? {
    if let named = flag ?? surroundings.variable("TOLLFS_CONFIG") {
      let absolute = named.hasPrefix("/") ? named : surroundings.workingDirectory + "/" + named
      return ConfigurationLocation(path: PathResolver.tidied(absolute), isExplicit: true)
    }
    return surroundings.baseDirectory("XDG_CONFIG_HOME", orBelowHome: ".config").map {
      ConfigurationLocation(path: $0 + "/tollfs/config.yaml", isExplicit: false)
    }
  }
}

/// What the configuration takes from the process around it.
struct Surroundings: Hashable, Sendable {
  var variables: [String: String]
  /// Absolute.
  var workingDirectory: String

  /// The value of a variable; an empty one counts as unset.
  func variable(_ name: String) -> String? {
    variables[name].flatMap { $0.isEmpty ? nil : $0 }
  }

  var home: String? { variable("HOME") }

  /// The XDG base directory specification: a relative value is to be ignored.
  func baseDirectory(_ name: String, orBelowHome fallback: String) -> String? {
    if let directory = variable(name), directory.hasPrefix("/") { return PathResolver.tidied(directory) }
    return home.map { PathResolver.tidied($0 + "/" + fallback) }
  }

  /// Those of this process. Without HOME (a system service) the password database says where home is.
  static func current() -> Surroundings {
    var variables: [String: String] = [:]
    var entry = environ
    while let variable = entry.pointee {
      let parts = String(cString: variable).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2 { variables[String(parts[0])] = String(parts[1]) }
      entry += 1
    }
    if variables["HOME"]?.isEmpty ?? true, let user = getpwuid(getuid()), let directory = user.pointee.pw_dir {
      variables["HOME"] = String(cString: directory)
    }
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let directory = getcwd(&buffer, buffer.count).map { String(cString: $0) }
    return Surroundings(variables: variables, workingDirectory: directory ?? "/")
  }
}
