import FileSystem
import Foundation
import Synchronization

/// A small tree in memory that counts what it is asked, and whose files can be made to hang.
final class MemoryTree: FileSystem {
  enum Content: Sendable {
    case bytes([UInt8])
    /// Bytes of a file on the disk, of which it promises so many.
    case file(FileDescriptorBox, size: Int)
    /// Different at every open, and not to be cached.
    case live
    /// An open that never ends by itself.
    case hangingOpen
    /// An open that takes so long.
    case slowOpen(Duration)
    /// A read that never ends by itself, of a file that is not to be cached.
    case hangingRead
    /// A read that takes so long, of a file that is not to be cached.
    case slowRead([UInt8], Duration)
    case link(String)
    case directory
  }

  struct Node: Sendable {
    let inode: InodeNumber
    let parent: InodeNumber
    let name: String
    var content: Content
    var children: [FileName: InodeNumber] = [:]
    var order: [InodeNumber] = []
  }

  struct State {
    var nodes: [InodeNumber: Node]
    /// The kernel's references to each inode.
    var references: [InodeNumber: Int] = [:]
    /// The inode, and for live files the content as it was at the open.
    var handles: [HandleNumber: (InodeNumber, [UInt8])] = [:]
    var nextHandle: UInt64 = 1
    var calls: [String: Int] = [:]
    var opens = 0
    var cancelled = 0
  }

  static let modified = Timestamp(seconds: 1_700_000_000, nanoseconds: 123_456_789)
  let validity: CacheValidity
  let absence: Duration
  let attributes: [String: [UInt8]]
  let state: Mutex<State>

  init(
    validity: CacheValidity = .immutable, absence: Duration = .zero,
    attributes: [String: [UInt8]] = ["user.tollfs.status": Array("completed".utf8)]
  ) {
    self.validity = validity
    self.absence = absence
    self.attributes = attributes
    state = Mutex(
      State(nodes: [.root: Node(inode: .root, parent: .root, name: "", content: .directory)]))
  }

  // MARK: What tests do

  @discardableResult
  func add(_ name: String, _ content: Content, in parent: InodeNumber = .root) -> InodeNumber {
    guard let key = FileName(name) else { preconditionFailure("not a name: \(name)") }
    return state.withLock { state in
      let inode = InodeNumber(UInt64(state.nodes.count + 1))
      state.nodes[inode] = Node(inode: inode, parent: parent, name: name, content: content)
      state.nodes[parent]?.children[key] = inode
      state.nodes[parent]?.order.append(inode)
      return inode
    }
  }

  func change(_ inode: InodeNumber, _ content: Content) {
    state.withLock { $0.nodes[inode]?.content = content }
  }

  func calls(_ name: String) -> Int { state.withLock { $0.calls[name, default: 0] } }
  var cancelled: Int { state.withLock { $0.cancelled } }
  var openHandles: Int { state.withLock { $0.handles.count } }
  /// References by inode, without those that are none.
  var references: [InodeNumber: Int] { state.withLock { $0.references.filter { $0.value != 0 } } }

  private func count(_ name: String) {
    state.withLock { $0.calls[name, default: 0] += 1 }
  }

  private func node(_ inode: InodeNumber) throws(FileSystemFailure) -> Node {
    guard let node = state.withLock({ $0.nodes[inode] }) else { throw FileSystemFailure(.notFound) }
    return node
  }

  private func attributes(_ node: Node) -> Attributes {
    let (kind, size): (FileKind, Int) =
      switch node.content {
      case .bytes(let bytes), .slowRead(let bytes, _): (.regular, bytes.count)
      case .file(_, let size): (.regular, size)
      case .live, .hangingOpen, .slowOpen, .hangingRead: (.regular, 0)
      case .link(let target): (.symbolicLink, target.utf8.count)
      case .directory: (.directory, 0)
      }
    return Attributes(
      inode: node.inode, kind: kind, size: UInt64(size), modified: Self.modified, linkCount: kind == .directory ? 2 : 1)
  }

  private func hang(for duration: Duration) async throws(FileSystemFailure) {
    do {
      try await Task.sleep(for: duration)
    } catch {
      state.withLock { $0.cancelled += 1 }
      throw FileSystemFailure(.interrupted)
    }
  }

  // MARK: FileSystem

  func lookup(_ name: FileName, in parent: InodeNumber, for caller: Caller) async throws(FileSystemFailure)
    -> LookupResult
  {
    count("lookup")
    guard let inode = try node(parent).children[name] else { return .absent(rememberFor: absence) }
    let found = try node(inode)
    retain(inode)
    return .found(Entry(attributes: attributes(found), validity: validity))
  }

  func retain(_ inode: InodeNumber) {
    state.withLock { $0.references[inode, default: 0] += 1 }
  }

  func forget(_ inode: InodeNumber, lookups: UInt64) {
    state.withLock { $0.references[inode, default: 0] -= Int(lookups) }
  }

  func attributes(of inode: InodeNumber, for caller: Caller) async throws(FileSystemFailure) -> KnownAttributes {
    count("attributes")
    return KnownAttributes(attributes: attributes(try node(inode)), validity: validity.attributes)
  }

  func open(_ inode: InodeNumber, for caller: Caller) async throws(FileSystemFailure) -> OpenFile {
    count("open")
    var caching = OpenFile.Caching.keep
    var text: [UInt8] = []
    switch try node(inode).content {
    case .hangingOpen: try await hang(for: .seconds(3_600))
    case .slowOpen(let duration): try await hang(for: duration)
    case .live:
      caching = .none
      text = state.withLock { state in
        state.opens += 1
        return Array("open number \(state.opens)\n".utf8)
      }
    case .hangingRead, .slowRead: caching = .none
    default: break
    }
    return OpenFile(handle: handle(inode, text), caching: caching)
  }

  private func handle(_ inode: InodeNumber, _ text: [UInt8] = []) -> HandleNumber {
    state.withLock { state in
      let handle = HandleNumber(state.nextHandle)
      state.nextHandle += 1
      state.handles[handle] = (inode, text)
      return handle
    }
  }

  func read(_ handle: HandleNumber, at offset: UInt64, count: Int, for caller: Caller)
    async throws(FileSystemFailure) -> ReadResult
  {
    self.count("read")
    guard let (inode, text) = state.withLock({ $0.handles[handle] }) else { throw FileSystemFailure(.badHandle) }
    switch try node(inode).content {
    case .file(let box, let size):
      return .range(of: box, offset: offset, count: max(0, min(count, size - Int(offset))))
    case .bytes(let bytes): return .bytes(Array(bytes.dropFirst(Int(offset)).prefix(count)))
    case .hangingRead:
      try await hang(for: .seconds(3_600))
      return .bytes([])
    case .slowRead(let bytes, let duration):
      try await hang(for: duration)
      return .bytes(Array(bytes.dropFirst(Int(offset)).prefix(count)))
    default: return .bytes(Array(text.dropFirst(Int(offset)).prefix(count)))
    }
  }

  func release(_ handle: HandleNumber) {
    state.withLock { _ = $0.handles.removeValue(forKey: handle) }
  }

  func openDirectory(_ inode: InodeNumber, for caller: Caller) async throws(FileSystemFailure) -> OpenDirectory {
    count("openDirectory")
    return OpenDirectory(handle: handle(inode), isImmutable: validity == .immutable)
  }

  func readDirectory(_ handle: HandleNumber, after cookie: UInt64, limit: Int, for caller: Caller)
    async throws(FileSystemFailure) -> [DirectoryItem]
  {
    count("readDirectory")
    guard let (inode, _) = state.withLock({ $0.handles[handle] }) else { throw FileSystemFailure(.badHandle) }
    let directory = try node(inode)
    var items: [DirectoryItem] = []
    var position = Int(cookie)
    while items.count < limit, position < directory.order.count + 2 {
      let cookie = UInt64(position + 1)
      switch position {
      case 0: items.append(DirectoryItem(name: ".", inode: inode, kind: .directory, cookie: cookie, entry: nil))
      case 1:
        items.append(DirectoryItem(name: "..", inode: directory.parent, kind: .directory, cookie: cookie, entry: nil))
      default:
        let child = try node(directory.order[position - 2])
        let known = attributes(child)
        items.append(
          DirectoryItem(
            name: child.name, inode: child.inode, kind: known.kind, cookie: cookie,
            entry: Entry(attributes: known, validity: validity)))
      }
      position += 1
    }
    return items
  }

  func releaseDirectory(_ handle: HandleNumber) {
    release(handle)
  }

  func symbolicLink(_ inode: InodeNumber, for caller: Caller) async throws(FileSystemFailure) -> String {
    count("symbolicLink")
    guard case .link(let target) = try node(inode).content else { throw FileSystemFailure(.invalidArgument) }
    return target
  }

  func extendedAttribute(_ name: String, of inode: InodeNumber, for caller: Caller) async throws(FileSystemFailure)
    -> [UInt8]
  {
    count("extendedAttribute")
    guard let value = attributes[name] else { throw FileSystemFailure(.noAttribute) }
    return value
  }

  func extendedAttributeNames(of inode: InodeNumber, for caller: Caller) async throws(FileSystemFailure) -> [String] {
    count("extendedAttributeNames")
    return attributes.keys.sorted()
  }

  func statistics() -> FileSystemStatistics {
    FileSystemStatistics(usedBytes: 3 << 20, freeBytes: 5 << 20, fileCount: 42)
  }
}
