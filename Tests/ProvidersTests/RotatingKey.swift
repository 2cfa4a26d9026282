import Synchronization
import Tasks

@testable import Providers

/// A provider that gives one key after the other, and the last one for ever.
final class RotatingKey: KeyProvider {
  private let texts: [String]
  private let count = Mutex(0)

  init(_ texts: [String]) {
    self.texts = texts
  }

  var reads: Int { count.withLock { $0 } }

  func key() async throws(SourceFailure) -> APIKey {
    let index = count.withLock { count in
      defer { count += 1 }
      return min(count, texts.count - 1)
    }
    guard let key = APIKey(texts[index]) else { throw SourceFailure(.accessDenied, "no key") }
    return key
  }
}
