import Foundation
import Testing

@testable import Budget

@Suite("Days and months of local time")
struct BudgetWindowsTests {
  struct Case: Sendable {
    let zone: String
    let moment: String
    let dayStart: String
    let dayEnd: String
    let monthStart: String
    let monthEnd: String
  }

  static let cases = [
    Case(
      zone: "UTC", moment: "2026-12-31T23:59:59Z", dayStart: "2026-12-31T00:00:00Z", dayEnd: "2027-01-01T00:00:00Z",
      monthStart: "2026-12-01T00:00:00Z", monthEnd: "2027-01-01T00:00:00Z"),
    // The clocks go forward on 29 March 2026 at 01:00 UTC: the day has 23 hours.
    Case(
      zone: "Europe/Berlin", moment: "2026-03-29T12:00:00Z", dayStart: "2026-03-28T23:00:00Z",
      dayEnd: "2026-03-29T22:00:00Z", monthStart: "2026-02-28T23:00:00Z", monthEnd: "2026-03-31T22:00:00Z"),
    // They go back on 25 October 2026 at 01:00 UTC: 25 hours, and 02:30 comes twice.
    Case(
      zone: "Europe/Berlin", moment: "2026-10-25T00:30:00Z", dayStart: "2026-10-24T22:00:00Z",
      dayEnd: "2026-10-25T23:00:00Z", monthStart: "2026-09-30T22:00:00Z", monthEnd: "2026-10-31T23:00:00Z"),
    Case(
      zone: "Europe/Berlin", moment: "2026-10-25T01:30:00Z", dayStart: "2026-10-24T22:00:00Z",
      dayEnd: "2026-10-25T23:00:00Z", monthStart: "2026-09-30T22:00:00Z", monthEnd: "2026-10-31T23:00:00Z"),
    // New York: forward on 8 March 2026 at 07:00 UTC, back on 1 November at 06:00 UTC.
    Case(
      zone: "America/New_York", moment: "2026-03-08T07:00:00Z", dayStart: "2026-03-08T05:00:00Z",
      dayEnd: "2026-03-09T04:00:00Z", monthStart: "2026-03-01T05:00:00Z", monthEnd: "2026-04-01T04:00:00Z"),
    Case(
      zone: "America/New_York", moment: "2026-11-02T04:59:59Z", dayStart: "2026-11-01T04:00:00Z",
      dayEnd: "2026-11-02T05:00:00Z", monthStart: "2026-11-01T04:00:00Z", monthEnd: "2026-12-01T05:00:00Z"),
    // Beirut goes forward at midnight, so this day begins at 01:00.
    Case(
      zone: "Asia/Beirut", moment: "2026-03-29T10:00:00Z", dayStart: "2026-03-28T22:00:00Z",
      dayEnd: "2026-03-29T21:00:00Z", monthStart: "2026-02-28T22:00:00Z", monthEnd: "2026-03-31T21:00:00Z"),
  ]

  @Test("Windows, also where the clocks change", arguments: cases)
  func windows(_ example: Case) {
    let windows = BudgetWindows(at: date(example.moment), timeZone: zone(example.zone))
    #expect(windows.day.start == date(example.dayStart))
    #expect(windows.day.end == date(example.dayEnd))
    #expect(windows.month.start == date(example.monthStart))
    #expect(windows.month.end == date(example.monthEnd))
  }

  @Test("Every moment of a year lies in its window, and windows follow on one another without a gap")
  func everyHour() {
    for name in ["Europe/Berlin", "America/New_York", "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Apia"] {
      var previous: BudgetWindows?
      // 41 minutes: every day is met several times, at ever new times of day.
      for moment in stride(from: date("2026-01-01T00:00:00Z"), to: date("2027-01-02T00:00:00Z"), by: 41 * 60) {
        let windows = BudgetWindows(at: moment, timeZone: zone(name))
        #expect(windows.day.start <= moment && moment < windows.day.end)
        #expect(windows.month.start <= windows.day.start && windows.day.end <= windows.month.end)
        if let previous, previous.day != windows.day { #expect(previous.day.end == windows.day.start) }
        if let previous, previous.month != windows.month { #expect(previous.month.end == windows.month.start) }
        previous = windows
      }
    }
  }

  @Test("Dates are written with their offset")
  func written() {
    let moment = date("2026-03-14T09:12:03Z")
    #expect(DateText.moment(moment, in: zone("Europe/Berlin")) == "2026-03-14T10:12:03+01:00")
    #expect(DateText.moment(moment, in: DateText.utc) == "2026-03-14T09:12:03Z")
    #expect(DateText.day(date("2026-03-14T23:30:00Z"), in: zone("Europe/Berlin")) == "2026-03-15")
  }

  @Test("Milliseconds survive the way into the ledger and back")
  func milliseconds() {
    for milliseconds: Int64 in [0, 1, 1_773_489_123_457, 1_773_489_123_999, 4_102_444_799_999] {
      #expect(Date(milliseconds: milliseconds).milliseconds == milliseconds)
    }
    #expect(Date.distantFuture.milliseconds > 0)
    #expect(Date(timeIntervalSince1970: 1e300).milliseconds == .max)
  }
}
