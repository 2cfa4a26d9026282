import Foundation
import Tasks
import Testing

@testable import Providers

@Suite struct SignedURLTests {
  private let text = "https://bucket.example.com/a/b.zip?X-Amz-Signature=\(signature)"

  private func expiry(_ query: String) throws -> Double? {
    SignatureExpiry.date(of: try WebAddress("https://h/a.zip?\(query)"))?.timeIntervalSince1970
  }

  @Test func noPrintingShowsIt() throws {
    struct Holder {
      let url: SignedURL
      let lease: PackageLease
    }
    let url = try SignedURL(text, allowsHTTP: false)
    let holder = Holder(url: url, lease: PackageLease(url, after: nil, date: Date(), now: .zero))
    var dumped = ""
    dump(url, to: &dumped)
    dump(holder, to: &dumped)
    for text in [
      "\(url)", String(reflecting: url), "\(holder)", String(reflecting: holder), "\(Optional(url) as Any)", dumped,
      "\(Mirror(reflecting: url).children.map { $0 })",
    ] {
      #expect(!text.contains(signature) && !text.contains("bucket"), "\(text)")
    }
    #expect("\(url)" == "<redacted>")
    #expect(url.address.text == text)
  }

  @Test func plainHTTPIsForThisMachineOnly() throws {
    for text in ["http://127.0.0.1:9/a?s=1", "http://localhost/a", "https://example.com/a", "https://example.com/a#x"] {
      _ = try SignedURL(text, allowsHTTP: false)
    }
    for text in [
      "http://example.com/?\(signature)", "ftp://h/\(signature)", "\(signature)", "https:///\(signature)",
      "https://h/a b?\(signature)", "https://u:\(signature)@h/",
    ] {
      let refusal = #expect(throws: SignedURL.Refusal.self) { try SignedURL(text, allowsHTTP: false) }
      #expect(refusal?.reason.contains(signature) == false)
    }
    _ = try SignedURL("http://example.com/a", allowsHTTP: true)
  }

  @Test func theEndIsReadInEveryDialect() throws {
    #expect(try expiry("X-Amz-Date=20261128T150500Z&X-Amz-Expires=900&X-Amz-Signature=x") == 1_795_878_300 + 900)
    #expect(try expiry("x-goog-date=20261128T150500Z&x-goog-expires=1") == 1_795_878_301)
    #expect(try expiry("sv=2022&se=2026-11-28T15%3A05%3A00Z&sig=abc%3D") == 1_795_878_300)
    #expect(try expiry("se=2026-11-28T15:05:00.1234567Z&sig=a") == 1_795_878_300)
    #expect(try expiry("se=2026-11-28T15:05Z&sig=a") == 1_795_878_300)
    #expect(try expiry("se=2026-11-28&sig=a") == 1_795_824_000)
    #expect(try expiry("AWSAccessKeyId=A&Expires=1795878300&Signature=x") == 1_795_878_300)
    for query in [
      "", "a", "X-Amz-Date=20261128T150500Z", "X-Amz-Expires=900", "X-Amz-Date=2026&X-Amz-Expires=900", "se=soon&sig=a",
      "se=2026-11-28T15:05:00Z", "Expires=", "Expires=-1", "Expires=99999999999999999999", "Expires=1e9",
      "X-Amz-Date=20261128T150500Z&X-Amz-Expires=-1", "X-Amz-Date=20261328T150500Z&X-Amz-Expires=1", "Expires=%3",
    ] {
      #expect(try expiry(query) == nil, "\(query)")
    }
  }

  @Test func renewalComesBeforeTheEnd() throws {
    func lease(_ seconds: Int, after old: PackageLease? = nil, n: Int = 0) throws -> PackageLease {
      let url = try SignedURL("https://h/a?n=\(n)&Expires=\(1_000_000 + seconds)", allowsHTTP: false)
      return PackageLease(url, after: old, date: Date(timeIntervalSince1970: 1_000_000), now: .seconds(50))
    }
    let long = try lease(900)
    #expect(long.renewal == .seconds(50 + 890) && long.end == .seconds(950))
    #expect(try lease(1).renewal == .milliseconds(50_750))
    let over = try lease(-5)
    #expect(over.renewal == .seconds(50) && over.isDue(.seconds(50)) && over.hasEnded(.seconds(50)))
    // The same again lives until its end and keeps its mark; another one has its own.
    let same = try lease(900, after: long)
    #expect(same.renewal == same.end && same.mark == long.mark && same.generation == 2)
    let other = try lease(900, after: long, n: 1)
    #expect(other.mark != long.mark && other.generation == 2)
    let silent = PackageLease(
      try SignedURL(text, allowsHTTP: false), after: nil, date: Date(), now: .zero)
    #expect(!silent.isDue(.seconds(1_000_000)) && !silent.hasEnded(.seconds(1_000_000)))
  }

  @Test func namesComeFromTheHeaderOrTheAddress() throws {
    let address = try WebAddress("https://h/bucket/results%20of%20%E5%90%8D.zip?sig=a/b.tif")
    let plain = "results of 名.zip"
    let cases: [(String?, String?)] = [
      (nil, plain), ("attachment", plain), ("attachment; filename=a.tif", "a.tif"),
      ("attachment; filename=\"a b;c.tif\"; size=5", "a b;c.tif"), ("inline;FILENAME = \"x\\\"y\\\\z.tif\"", "z.tif"),
      ("attachment; filename=\"old.tif\"; filename*=UTF-8''%e2%82%ac%20rates.tif", "€ rates.tif"),
      ("attachment; filename*=iso-8859-1'en'%A3.tif; filename=x", "£.tif"),
      ("attachment; filename*=UTF-8''%zz; filename=good.tif", "good.tif"),
      ("attachment; filename*=bad; filename=", plain),
      ("attachment; filename=\"../../etc/passwd\"", "passwd"), ("attachment; filename=\"C:\\temp\\a.tif\"", "a.tif"),
      ("attachment; filename=\".hidden\"", "hidden"), ("attachment; filename=\"..\"", plain),
      ("attachment; filename=\"a\u{202e}fit.exe\"", "afit.exe"),
      ("attachment; filename=\"unclosed.tif", "unclosed.tif"),
      ("attachment; filename*=UTF-8''a%2Fb%00c.tif", "bc.tif"), (";;;=;filename==a.tif", "=a.tif"),
    ]
    for (disposition, name) in cases {
      #expect(PackageName.of(disposition: disposition, address: address) == name, "\(disposition ?? "none")")
    }
    #expect(PackageName.of(disposition: nil, address: try WebAddress("https://h/?a=b")) == nil)
    #expect(PackageName.of(disposition: nil, address: try WebAddress("https://h/a/%2e%2e")) == nil)
    #expect(PackageName.of(disposition: nil, address: try WebAddress("https://h/a/%zz")) == "%zz")
    let long = String(repeating: "名", count: 200) + ".tif"
    let short = try #require(PackageName.harmless(long))
    #expect(short.utf8.count <= 255 && short.utf8.count > 250 && short.hasSuffix("名.tif"))
    #expect(PackageName.harmless(String(repeating: "x", count: 300))?.utf8.count == 255)
  }
}
