import Testing

@testable import APISimulator

@Suite struct PricingTests {
  @Test(arguments: [(0, 0), (1, 1), (8_333, 1), (8_334, 2), (1_000_000_000, 120_000), (1_000_000_001, 120_001)])
  func roundsEachChargeUp(bytes: Int64, microDollars: Int64) {
    #expect(Pricing().cost(of: bytes) == microDollars)
  }

  @Test func doesNotOverflow() {
    #expect(Pricing().cost(of: 1_000_000_000_000_000_000) == 120_000_000_000_000)
  }
}
