import GRDB
import Tasks

/// What could go, as the index says. Nothing of tasks that are being downloaded.
struct EvictionCandidates {
  let db: Database
  let prices: [SourceName: PricePerGigabyte]
  /// What is not to be considered: its own content is no room for the one who asks.
  let asker: RoomAsker
  let inUse: Set<EvictionUnit>

  func all() throws -> [EvictionPlan.Candidate] { try streams() + members() + points() }

  private func streams() throws -> [EvictionPlan.Candidate] {
    let rows = try Row.fetchAll(
      db,
      sql: """
        SELECT task.id AS id, task.id AS task, task.path AS source, task.billed AS billed, task.pinned AS pinned,
          task.last_used AS last_used, task.uses AS uses, task.used_age AS used_age, sum(object.size) AS bytes,
          (SELECT sum(member.size) FROM member WHERE member.task = task.id AND member.generation = task.generation)
            AS refetch
        FROM task JOIN object ON object.task = task.id AND NOT object.single
        WHERE task.arriving IS NULL AND task.id IS NOT ? GROUP BY task.id
        """, arguments: [asker.task])
    return rows.map { candidate($0, .stream(task: $0["id"])) }
  }

  private func members() throws -> [EvictionPlan.Candidate] {
    let rows = try Row.fetchAll(
      db,
      sql: """
        SELECT object.id AS id, object.task AS task, task.path AS source, object.billed AS billed,
          task.pinned AS pinned, object.last_used AS last_used, object.uses AS uses, object.used_age AS used_age,
          object.size AS bytes,
          CASE WHEN object.partial THEN min(object.refetch, object.size) ELSE object.refetch END AS refetch
        FROM object JOIN task ON task.id = object.task
        WHERE object.single AND task.arriving IS NULL AND object.id IS NOT ?
        """, arguments: [asker.object])
    return rows.map { candidate($0, .member(object: $0["id"])) }
  }

  /// They cost no money themselves: without them more is fetched than is wanted.
  private func points() throws -> [EvictionPlan.Candidate] {
    let rows = try Row.fetchAll(
      db,
      sql: """
        SELECT points.id AS id, points.task AS task, task.path AS source, 0 AS billed, task.pinned AS pinned,
          points.last_used AS last_used, points.uses AS uses, points.used_age AS used_age, points.size AS bytes,
          points.refetch AS refetch
        FROM points JOIN task ON task.id = points.task
        WHERE task.arriving IS NULL AND points.id IS NOT ?
        """, arguments: [asker.points])
    return rows.map { candidate($0, .points($0["id"])) }
  }

  private func candidate(_ row: Row, _ unit: EvictionUnit) -> EvictionPlan.Candidate {
    let isBilled: Bool = row["billed"]
    let bytes: Int64 = row["bytes"]
    let refetch: Int64 = row["refetch"] ?? bytes
    let cost =
      isBilled
      ? EvictionPriority.cost(ofBuying: refetch, at: price(of: row["source"]))
      : EvictionPriority.cost(ofFetching: refetch)
    return EvictionPlan.Candidate(
      unit: unit, task: row["task"], bytes: bytes, isBilled: isBilled, isPinned: row["pinned"],
      isInUse: inUse.contains(unit),
      priority: EvictionPriority.of(age: row["used_age"], uses: row["uses"], cost: cost, bytes: bytes),
      lastUsed: row["last_used"])
  }

  /// Where no price is known, all are taken for the same.
  private static let anyPrice = PricePerGigabyte(Dollars(microDollars: 1_000_000))

  private func price(of path: String) -> PricePerGigabyte {
    guard let name = path.split(separator: "/").first.flatMap({ SourceName(String($0)) }), let price = prices[name],
      !price.isFree
    else { return Self.anyPrice }
    return price
  }
}

/// Who asks for room.
enum RoomAsker: Hashable, Sendable {
  /// A download; `written` are the bytes that it wrote so far.
  case download(task: Int64, written: Int64)
  /// A member that arrives in parts. `isNew`: the first time that this process asks for it.
  case object(Int64, isNew: Bool)
  case points(Int64)

  var task: Int64? { if case .download(let task, _) = self { task } else { nil } }
  var object: Int64? { if case .object(let id, _) = self { id } else { nil } }
  var points: Int64? { if case .points(let id) = self { id } else { nil } }
  /// Bytes that the index does not count yet.
  var written: Int64 { if case .download(_, let written) = self { written } else { 0 } }
  /// Whether what was paid for may go for it.
  var isWorthMoney: Bool { points == nil }
}
