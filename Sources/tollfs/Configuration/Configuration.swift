import Archives
import Budget
import Providers
import Tasks

/// Everything that can be configured, checked and with its defaults filled in. See INTERFACE: "Configuration".
///
/// A plain value: reading it opens nothing, and no secret is in it (only where a key is to be found).
struct Configuration: Hashable, Sendable {
  /// The file that was read, or nil when there is none and everything is a default.
  var file: String?
  /// Absolute; the default for `mount` and `unmount`.
  var mountpoint: String?
  /// In the order of the file.
  var sources: [SourceConfiguration]
  /// nil: no budget is configured, so nothing billed is ever opened.
  var budget: BudgetCaps?
  var cache: CacheConfiguration
  /// Absolute; holds the ledger, the registry of tasks and the log.
  var stateDirectory: String
  var network: NetworkSettings
  var mount: MountConfiguration
  /// Process names that never cause a billed request, as `/proc/PID/comm` shows them (cut to 15 bytes).
  var crawlers: [String]
  /// Every setting in force as text, with where it came from.
  var settings: [EffectiveSetting]

  /// The source with this name, if it is configured.
  func source(_ name: SourceName) -> SourceConfiguration? {
    sources.first { $0.name == name }
  }
}

/// One API account, and one directory of the mount.
struct SourceConfiguration: Hashable, Sendable {
  enum Kind: String, Hashable, Sendable, CaseIterable {
    case screenplay = "memories-screenplay"
    case pixxel
  }

  enum FetchPolicy: String, Hashable, Sendable, CaseIterable {
    case onAccess = "on_access"
    /// Only `tollfs fetch` downloads.
    case explicit
  }

  var name: SourceName
  var kind: Kind
  var endpoint: EndpointURL
  var key: KeySource
  /// How the key is sent in the `Authorization` header.
  var authorization: KeyAuthorization
  var price: PricePerGigabyte
  var fetch: FetchPolicy
  /// 0 means no limit.
  var requestsPerSecond: Double
  /// Tasks that the source's directory lists from the start.
  var tasks: [TaskPath]
}

struct CacheConfiguration: Hashable, Sendable {
  /// Absolute.
  var directory: String
  var maximumSize: ByteCount
  /// What the cache leaves free on its disk.
  var minimumFree: ByteCount
}

struct MountConfiguration: Hashable, Sendable {
  /// How long two opens share one status answer.
  var statusLifetime: Duration
  /// For names in archives that are not UTF-8 and do not say what they are.
  var nameCharset: NameCharset
}

/// One setting in force, for `config show`.
struct EffectiveSetting: Hashable, Sendable {
  /// `budget.daily`, `sources.screenplay.endpoint`, ...
  let key: String
  /// As text; nil where nothing is set. Never a secret.
  let text: String?
  let origin: SettingOrigin
}
