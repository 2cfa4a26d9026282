import FileSystem
import Tasks
import TestSupport
import Testing

@testable import TaskTree

@Suite("Inodes")
struct NodeTableTests {
  private func task(_ id: String) throws -> TaskPath { try #require(TaskPath(parsing: "screenplay/\(id)")) }

  @Test("A path has the same inode on every mount")
  func stable() throws {
    // Fixed numbers: a change of the hash would give every file of every user a new identity.
    #expect(Node.readme.inode == InodeNumber(Self.fnv("README.txt")))
    #expect(
      Node.resultFile(try task("x"), ["a", "b"], .only).inode == InodeNumber(Self.fnv("screenplay/x/results/a/b")))
    #expect(Node.root.inode == .root)
  }

  private static func fnv(_ text: String) -> UInt64 {
    text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }

  @Test("References are counted as the kernel counts them, against a model")
  func counts() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed: \(seed)")
    var random = SeededGenerator(seed: seed)
    let table = NodeTable()
    let tasks = try (0..<20).map { try task("t\($0)") }
    var model: [TaskPath: UInt64] = [:]
    for _ in 0..<5_000 {
      let chosen = tasks[Int.random(in: 0..<tasks.count, using: &random)]
      let node = Node.task(chosen)
      switch Int.random(in: 0..<4, using: &random) {
      case 0:
        _ = table.remember(node)
        model[chosen, default: 0] += 1
      case 1:
        let inode = table.offer(node)
        if Bool.random(using: &random) {
          table.retain(inode)
          model[chosen, default: 0] += 1
        }
        table.withdraw([inode])
      default:
        let count = model[chosen] ?? 0
        guard count > 0 else { continue }
        let dropped = UInt64.random(in: 1...count, using: &random)
        table.forget(node.inode, lookups: dropped)
        model[chosen] = count == dropped ? nil : count - dropped
      }
      #expect(table.count == model.count)
      #expect((table.node(node.inode) == node) == (model[chosen] != nil))
    }
  }
}
