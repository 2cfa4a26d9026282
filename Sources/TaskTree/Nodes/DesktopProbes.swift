/// Names that desktops, shells and version control look for in every directory they come across. They are answered from
/// memory: nobody wants to pay for a file manager's curiosity.
enum DesktopProbes {
  static func contains(_ name: String) -> Bool {
    names.contains(name) || prefixes.contains { name.hasPrefix($0) }
  }

  private static let names: Set<String> = [
    ".hidden", ".directory", "autorun.inf", "AUTORUN.INF", "Autorun.inf", "autorun.sh", "autorun", ".autorun",
    "desktop.ini", "Thumbs.db", ".DS_Store", ".localized", ".xdg-volume-info", ".VolumeIcon.icns", ".comments",
    ".nomedia",
    ".git", ".svn", ".hg", ".bzr", "CVS", "HEAD", ".gitignore", ".gitattributes", ".ignore", ".rgignore", ".fdignore",
    ".editorconfig", ".envrc", ".tool-versions", ".nvmrc", ".python-version", ".ruby-version",
    ".metadata_never_index", ".trackerignore", ".nobackup", "lost+found", "BDMV", "VIDEO_TS", "AUDIO_TS", "DCIM",
  ]

  private static let prefixes = [".Trash", ".~lock.", "._", ".goutputstream", ".fuse_hidden", ".nfs", ".Spotlight-"]
}
