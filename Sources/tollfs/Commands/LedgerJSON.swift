import Budget
import Foundation
import Tasks

/// Purchases and events as JSON, with all that the ledger holds. Amounts are decimal strings of dollars.
enum LedgerJSON {
  struct Bought: Encodable {
    let id: Int64
    let time: Date
    let source: String
    let task: String
    let path: String
    let state: String
    let bytes: Int64
    let cost: String
    let reserved: String
    let expectedBytes: Int64
    let seenBytes: Int64
    let bytesBasis: String
    let evidence: String
    let pricePerGB: String
    let episodes: Int?
    let continues: Int64?
    let isWhole: Bool
    let approval: String?
    let uid: UInt32
    let pid: Int32
    let command: String
    let changed: Date
    let reason: String

    init(_ purchase: Purchase) {
      id = purchase.id
      time = purchase.time
      source = purchase.task.source.text
      task = purchase.task.description
      path = purchase.path
      state = purchase.state.rawValue
      bytes = purchase.bytes.bytes
      cost = purchase.charge.description
      reserved = purchase.reserved.description
      expectedBytes = purchase.estimate.bytes.bytes
      seenBytes = purchase.seen.bytes
      bytesBasis = purchase.estimate.basis.rawValue
      evidence = purchase.estimate.evidence
      pricePerGB = purchase.price.dollars.description
      episodes = purchase.episodes
      continues = purchase.continues
      isWhole = purchase.isWhole
      approval = purchase.approval?.description
      uid = purchase.requester.userID
      pid = purchase.requester.processID
      command = purchase.requester.command
      changed = purchase.changed
      reason = purchase.reason
    }
  }

  struct Happened: Encodable {
    let id: Int64
    let time: Date
    let machineTime: Date?
    let event: String
    let purchase: Int64?
    let source: String
    let task: String
    let path: String
    let bytes: Int64
    let amount: String
    let bytesBasis: String?
    let evidence: String?
    let pricePerGB: String
    let episodes: Int?
    let continues: Int64?
    let isWhole: Bool
    let uid: UInt32
    let pid: Int32
    let command: String
    let reason: String

    init(_ event: LedgerEvent) {
      id = event.id
      time = event.time
      machineTime = event.clock
      self.event = event.kind.rawValue
      purchase = event.purchase
      source = event.task.source.text
      task = event.task.description
      path = event.path
      bytes = event.bytes.bytes
      amount = event.amount.description
      bytesBasis = event.estimate?.basis.rawValue
      evidence = event.estimate?.evidence
      pricePerGB = event.price.dollars.description
      episodes = event.episodes
      continues = event.continues
      isWhole = event.isWhole
      uid = event.requester.userID
      pid = event.requester.processID
      command = event.requester.command
      reason = event.reason
    }
  }
}
