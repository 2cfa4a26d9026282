import FileSystem
import Testing

@testable import TaskTree

@Suite("Who may download what, and when")
struct AccessDecisionTests {
  private typealias Stock = AccessDecision.Stock
  private static let broken = Stock.broken(FileSystemFailure(.unreachable, "connection lost"))

  private func decision(billed: Bool = true, explicit: Bool = false, crawler: Bool = false) -> AccessDecision {
    AccessDecision(isBilled: billed, isExplicit: explicit, isCrawler: crawler, taskName: "screenplay/x")
  }

  private func kind(_ verdict: AccessDecision.Verdict) -> FileSystemFailure.Kind? {
    if case .refuse(let failure) = verdict { return failure.kind }
    return nil
  }

  @Test("What is not in the cache is downloaded by opening it")
  func downloads() {
    #expect(decision().verdict(stock: .nothing, want: .listing) == .download)
    #expect(decision().verdict(stock: .nothing, want: .content) == .download)
    #expect(decision().verdict(stock: .evicted, want: .content) == .download)
  }

  @Test("What is in the cache is served to anyone, crawlers and explicit sources included")
  func serves() {
    let strict = decision(explicit: true, crawler: true)
    #expect(strict.verdict(stock: .everything, want: .listing) == .serve)
    #expect(strict.verdict(stock: .evicted, want: .listing) == .serve)
  }

  @Test("A second purchase after a break is never automatic, and fetch makes it")
  func secondPurchase() {
    #expect(decision().verdict(stock: Self.broken, want: .listing) == .serve)
    #expect(kind(decision().verdict(stock: Self.broken, want: .content)) == .unreachable)
    #expect(decision().verdict(stock: Self.broken, want: .fetch) == .download)
  }

  @Test("What is free is fetched again by itself")
  func free() {
    #expect(decision(billed: false).verdict(stock: Self.broken, want: .listing) == .download)
    #expect(decision(billed: false).verdict(stock: Self.broken, want: .content) == .download)
  }

  @Test("Crawlers and explicit sources get EACCES for what is not in the cache")
  func refuses() {
    for strict in [decision(explicit: true), decision(crawler: true), decision(billed: false, crawler: true)] {
      #expect(kind(strict.verdict(stock: .nothing, want: .listing)) == .accessDenied)
      #expect(kind(strict.verdict(stock: .evicted, want: .content)) == .accessDenied)
    }
    #expect(decision(explicit: true).verdict(stock: .nothing, want: .fetch) == .download)
  }
}
