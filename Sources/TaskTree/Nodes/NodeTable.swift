import FileSystem
import Synchronization
import Tasks

/// The nodes that the kernel knows, counted as it counts them.
///
/// Lock order: a leaf; nothing else is locked while it is held.
final class NodeTable: Sendable {
  private struct Known {
    let node: Node
    /// References of the kernel.
    var lookups: UInt64 = 0
    /// Open directories that list the node.
    var offers = 0
  }

  private let known = Mutex<[InodeNumber: Known]>([:])

  /// The number under which the kernel shall know `node`, counted once more.
  func remember(_ node: Node) -> InodeNumber {
    known.withLock { known in
      let inode = Self.number(for: node, in: known)
      known[inode, default: Known(node: node)].lookups += 1
      return inode
    }
  }

  /// The number under which the kernel knows, or would know, `node`.
  func number(of node: Node) -> InodeNumber {
    known.withLock { Self.number(for: node, in: $0) }
  }

  /// Makes a node of a listing known without counting it, so that ``retain(_:)`` finds it.
  func offer(_ node: Node) -> InodeNumber {
    known.withLock { known in
      let inode = Self.number(for: node, in: known)
      known[inode, default: Known(node: node)].offers += 1
      return inode
    }
  }

  /// Takes back offers: each inode as often as it was offered.
  func withdraw(_ inodes: some Sequence<InodeNumber>) {
    known.withLock { known in
      for inode in inodes {
        known[inode]?.offers -= 1
        Self.drop(inode, from: &known)
      }
    }
  }

  func retain(_ inode: InodeNumber) {
    known.withLock { $0[inode]?.lookups += 1 }
  }

  func node(_ inode: InodeNumber) -> Node? {
    inode == .root ? .root : known.withLock { $0[inode]?.node }
  }

  /// The inodes below a task that the kernel knows, the task itself left out.
  func inodes(of task: TaskPath) -> [InodeNumber] {
    known.withLock { known in known.filter { $0.value.node.task == task && $0.value.node != .task(task) }.map(\.key) }
  }

  func forget(_ inode: InodeNumber, lookups: UInt64) {
    known.withLock { known in
      guard let count = known[inode]?.lookups else { return }
      known[inode]?.lookups = count - min(count, lookups)
      Self.drop(inode, from: &known)
    }
  }

  private static func drop(_ inode: InodeNumber, from known: inout [InodeNumber: Known]) {
    if let entry = known[inode], entry.lookups == 0, entry.offers <= 0 { known[inode] = nil }
  }

  /// How many nodes the kernel holds.
  var count: Int { known.withLock { $0.count } }

  /// Two paths with one 64-bit hash: the later one takes the next free number, for as long as both are known.
  private static func number(for node: Node, in known: [InodeNumber: Known]) -> InodeNumber {
    var inode = node.inode
    while let other = known[inode], other.node != node || inode == .root {
      if node == .root { return .root }
      inode = InodeNumber(max(2, inode.value &+ 1))
    }
    return inode
  }
}
