/// Programs that read whatever they come across.
enum Crawlers {
  /// The kernel keeps 15 bytes of a process's name (TASK_COMM_LEN is 16, with the NUL; see proc(5), "comm").
  static let commandLimit = 15

  /// As `/proc/PID/comm` would show the name.
  static func command(_ name: String) -> String {
    String(decoding: name.utf8.prefix(commandLimit), as: UTF8.self)
  }

  /// Desktop indexers, thumbnailers, `locate` databases and on-access scanners of Debian, Ubuntu and Fedora.
  static let standard = [
    "tracker-miner-fs-3", "tracker-miner-fs", "tracker-extract-3", "tracker-extract", "tracker-store",
    "localsearch-3", "localsearch", "localsearch-extractor-3",
    "baloo_file", "baloo_file_extractor", "baloorunner",
    "updatedb", "updatedb.plocate", "updatedb.mlocate",
    "tumblerd", "gnome-thumbnail-font", "gdk-pixbuf-thumbnailer", "evince-thumbnailer", "totem-video-thumbnailer",
    "ffmpegthumbnailer", "xplayer-video-thumbnailer", "papers-thumbnailer",
    "recollindex", "zeitgeist-fts", "clamonacc", "clamd",
  ]
}
