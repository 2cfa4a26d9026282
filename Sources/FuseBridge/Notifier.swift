import CFuse
import FileSystem
import Synchronization

/// Tells the kernel to drop what it was allowed to keep.
///
/// Messages go out from a thread of their own. The kernel may hold one up until a request is answered that concerns the
/// same directory, so neither the tree nor whoever receives requests may ever wait for it.
final class Notifier: KernelCache {
  private enum Notice: Hashable, Sendable {
    case inode(InodeNumber)
    case name(FileName, parent: InodeNumber)
  }

  private struct State {
    var pending: [Notice] = []
    /// The same as `pending`: saying a thing twice before it is done changes nothing.
    var known: Set<Notice> = []
    var connection: Connection?
    var hasThread = false
  }

  private let state: Monitor<State>

  init(connection: Connection) {
    state = Monitor(State(connection: connection))
  }

  func invalidate(_ inode: InodeNumber) {
    post(.inode(inode))
  }

  func invalidate(_ name: FileName, in parent: InodeNumber) {
    post(.name(name, parent: parent))
  }

  /// Forgets what was not sent yet; whatever comes later is ignored.
  func close() {
    state.withLock { state in
      state.connection = nil
      state.pending = []
      state.known = []
    }
  }

  private func post(_ notice: Notice) {
    let needsThread = state.withLock { state in
      guard state.connection != nil, state.known.insert(notice).inserted else { return false }
      state.pending.append(notice)
      defer { state.hasThread = true }
      return !state.hasThread
    }
    if needsThread { startThread { [state] in Self.work(state) } }
  }

  private static func work(_ state: Monitor<State>) {
    while true {
      let next: (Connection, [Notice])? = state.wait { state -> (Connection, [Notice])?? in
        guard let connection = state.connection else { return .some(nil) }
        guard !state.pending.isEmpty else { return nil }
        defer {
          state.pending = []
          state.known = []
        }
        return (connection, state.pending)
      }
      guard let (connection, notices) = next, let session = connection.session else { return }
      for notice in notices { send(notice, to: session) }
    }
  }

  private static func send(_ notice: Notice, to session: OpaquePointer) {
    // A status other than 0 says that the kernel knew nothing of it, or that it is gone: both are as good.
    switch notice {
    case .inode(let inode):
      // From 0 to the end: everything, the attributes as well.
      _ = fuse_lowlevel_notify_inval_inode(session, inode.value, 0, 0)
    case .name(let name, let parent):
      _ = fuse_lowlevel_notify_inval_entry(session, parent.value, name.text, name.text.utf8.count)
    }
  }
}
