import Tasks
import Testing

@Suite("Money and byte counts")
struct DollarsTests {
  @Test(
    "A decimal amount is read exactly, and shown with six decimals",
    arguments: [
      ("0", 0, "0.000000"), ("20", 20_000_000, "20.000000"), ("0.12", 120_000, "0.120000"),
      ("$1.5", 1_500_000, "1.500000"), ("0.000001", 1, "0.000001"), ("0.0001", 100, "0.000100"),
    ])
  func reads(text: String, microDollars: Int64, shown: String) {
    #expect(Dollars(decimal: text)?.microDollars == microDollars)
    #expect(Dollars(decimal: text)?.description == shown)
  }

  @Test(
    "What is not an exact amount is refused",
    arguments: [
      "", ".5", "1.", "-1", "1e3", "0.0000001", "1,5", " 1", "9223372036855", "٣",
    ])
  func refuses(text: String) {
    #expect(Dollars(decimal: text) == nil)
  }

  @Test(
    "A charge is rounded up to a whole micro-dollar",
    arguments: [
      (0, 0), (1, 1), (8_333, 1), (8_334, 2), (1_000_000_000, 120_000), (1_000_000_001, 120_001),
    ])
  func charges(bytes: Int64, microDollars: Int64) throws {
    let price = PricePerGigabyte(try #require(Dollars(decimal: "0.12")))
    #expect(price.charge(for: ByteCount(bytes)).microDollars == microDollars)
  }

  @Test("An absurd charge saturates instead of trapping")
  func saturates() {
    let price = PricePerGigabyte(Dollars(microDollars: .max))
    #expect(price.charge(for: ByteCount(Int64.max)).microDollars == .max)
    #expect((Dollars(microDollars: .max) + Dollars(microDollars: 1)).microDollars == .max)
  }

  @Test(
    "Byte counts in the units of the configuration",
    arguments: [
      ("1 GB", 1_000_000_000), ("20 GB", 20_000_000_000), ("64 KiB", 65_536), ("1.5 MB", 1_500_000), ("17", 17),
    ])
  func readsBytes(text: String, bytes: Int64) {
    #expect(ByteCount(parsing: text)?.bytes == bytes)
  }

  @Test("What is no byte count is refused", arguments: ["", "GB", "1.5 B", "1 XB", "-1", "1..2 MB", "9999999999 TB"])
  func refusesBytes(text: String) {
    #expect(ByteCount(parsing: text) == nil)
  }
}
