import CFuse
import FileSystem
import Foundation
import TestSupport
import Testing

@testable import FuseBridge

@Suite("Requests and replies, without a kernel", .timeLimit(.minutes(5)))
struct ProtocolTests {
  private static let openBody = KernelStandIn.words([0, 0])

  @Test func aLookupIsAnsweredWithTheInode() async throws {
    let tree = MemoryTree()
    let inode = tree.add("file", .bytes([1, 2, 3]))
    let kernel = try await KernelStandIn(serving: tree)
    kernel.send(.lookup, unique: 2, inode: 1, body: Array("file\0".utf8))
    let answer = try #require(await kernel.receive())
    #expect(answer.unique == 2 && answer.error == 0)
    #expect(answer.body.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) } == inode.value)
    kernel.send(.lookup, unique: 3, inode: 1, body: Array("other\0".utf8))
    #expect(await kernel.receive()?.error == -ENOENT)
    #expect(tree.references == [inode: 1])
  }

  @Test func anInterruptCancelsItsRequestOnly() async throws {
    let tree = MemoryTree()
    let inode = tree.add("hang", .hangingOpen).value
    let kernel = try await KernelStandIn(serving: tree)
    kernel.send(.open, unique: 2, inode: inode, body: Self.openBody)
    kernel.send(.open, unique: 4, inode: inode, body: Self.openBody)
    kernel.send(.interrupt, unique: 5, inode: 0, body: KernelStandIn.words([4, 0]))
    let answer = try #require(await kernel.receive())
    #expect(answer.unique == 4 && answer.error == -EINTR)
    #expect(tree.cancelled == 1)
    kernel.send(.interrupt, unique: 7, inode: 0, body: KernelStandIn.words([2, 0]))
    #expect(await kernel.receive()?.unique == 2)
  }

  @Test func anInterruptMayComeBeforeItsRequest() async throws {
    let tree = MemoryTree()
    let inode = tree.add("hang", .hangingOpen).value
    let kernel = try await KernelStandIn(serving: tree)
    kernel.send(.interrupt, unique: 5, inode: 0, body: KernelStandIn.words([4, 0]))
    kernel.send(.open, unique: 4, inode: inode, body: Self.openBody)
    let answer = try #require(await kernel.receive())
    #expect(answer.unique == 4 && answer.error == -EINTR)
  }

  @Test func whatDidNotReachTheKernelIsTakenBack() async throws {
    let tree = MemoryTree()
    tree.add("file", .bytes([1]))
    let inode = tree.add("slow", .slowOpen(.milliseconds(200))).value
    let kernel = try await KernelStandIn(serving: tree)
    kernel.send(.open, unique: 2, inode: inode, body: Self.openBody)
    #expect(await eventually { tree.calls("open") == 1 })
    kernel.hangUp()
    kernel.send(.lookup, unique: 4, inode: 1, body: Array("file\0".utf8))
    #expect(await eventually { tree.calls("lookup") == 1 && tree.references.isEmpty })
    #expect(await eventually { tree.openHandles == 0 })
    #expect(tree.cancelled == 0, "the open itself succeeded")
  }

  @Test func onceStoppingNothingNewReachesTheTree() async throws {
    let tree = MemoryTree()
    let inode = tree.add("hang", .hangingOpen).value
    let kernel = try await KernelStandIn(serving: tree)
    kernel.send(.open, unique: 2, inode: inode, body: Self.openBody)
    #expect(await eventually { tree.calls("open") == 1 })
    kernel.session.stop(drainingFor: .seconds(3_600))
    kernel.send(.lookup, unique: 4, inode: 1, body: Array("hang\0".utf8))
    let answer = try #require(await kernel.receive())
    #expect(answer.unique == 4 && answer.error == -ENOTCONN)
    #expect(tree.calls("lookup") == 0)
    // What the kernel gives back is still taken.
    tree.retain(InodeNumber(inode))
    kernel.send(.forget, unique: 6, inode: inode, body: KernelStandIn.words([1, 0]))
    #expect(await eventually { tree.references.isEmpty })
    kernel.session.stop(drainingFor: .zero)
    #expect(await kernel.receive()?.error == -EINTR)
  }

  @Test func aReplyThatIsDroppedIsAnError() async throws {
    var operations = Operations.table()
    operations.lookup = { request, _, _ in
      Operations.answer(request, "lookup") { _, _, reply in _ = consume reply }
    }
    let kernel = try await KernelStandIn(serving: MemoryTree(), operations: operations)
    kernel.send(.lookup, unique: 2, inode: 1, body: Array("file\0".utf8))
    let answer = try #require(await kernel.receive())
    #expect(answer.unique == 2 && answer.error == -EIO)
    // Nothing of it is left: a stop has nothing to wait for.
    kernel.session.stop(drainingFor: .seconds(3_600))
    await kernel.session.run()
  }
}
