import Tasks

// What the reader does with the contents of members.
extension ZipStreamReader {
  /// The header has been taken from the stream; its content comes next.
  func begin(_ header: LocalHeader, at offset: UInt64, _ route: Route) throws {
    let fields = header.fields
    // A deflate stream with a descriptor tells its size at its end; whatever the header says of it is no promise.
    let isSizeKnown = !fields.hasDescriptor || (fields.method == Method.stored && fields.size > 0)
    let member: ArchiveMember?
    switch try namer.next(fields, isSizeKnown: isSizeKnown) {
    case .directory(let path, let modified):
      if let path { try delivery.directory(path, modified: modified) }
      member = nil
    case .file(let file):
      member = file
    }
    switch route {
    case .content(let encoding, let compressedSize):
      if let member { try delivery.began(member) }
      inflater.start()
      let content = MemberContent(
        encoding, compressedSize: compressedSize, expectedSize: isSizeKnown ? fields.size : nil)
      phase = .content(OpenMember(header: header, offset: offset, member: member, content: content))
    case .foreign(let compressedSize):
      if let member { try delivery.began(member) }
      phase = .foreign(ForeignMember(header: header, offset: offset, member: member, left: compressedSize))
    case .refused(let failure, let compressedSize):
      if let member { try delivery.failed(member, failure) }
      ledger.append(EntryRecord(fields, offset: offset))
      phase = .skip(compressedSize)
    case .undelimited:
      break
    }
  }

  func takeContent(of open: OpenMember, _ input: inout UnsafeRawBufferPointer) throws -> Bool {
    var open = open
    let before = open.content.consumed
    let outcome = try open.content.feed(&input, inflater) { [delivery, member = open.member] bytes in
      if let member { try delivery.data(bytes, of: member) }
    }
    switch outcome {
    case .needsInput:
      position += open.content.consumed - before
      phase = .content(open)
      return false
    case .ended(let unused):
      // Some of them may have come with an earlier piece: then the position goes back.
      position = position &+ (open.content.consumed &- before)
      record.append(unused)
      try contentEnded(open)
    case .damaged(let failure):
      position += open.content.consumed - before
      try contentFailed(open, failure)
    }
    return true
  }

  private func contentEnded(_ open: OpenMember) throws {
    let fields = open.fields
    if fields.hasDescriptor {
      phase = .descriptor(open)
      return
    }
    if fields.compressedSize == 0, open.member != nil {
      phase = .emptyEnd(open)
      return
    }
    // Writers of padding leave bytes between the end of the deflate stream and that of the content.
    phase = .skip(fields.compressedSize - min(fields.compressedSize, open.content.consumed))
    ledger.append(EntryRecord(fields, offset: open.offset))
    try settle(open, open.content.verdict(size: fields.size, crc32: fields.crc32))
  }

  func takeEmptyEnd(of open: OpenMember, _ input: inout UnsafeRawBufferPointer) throws -> Bool {
    guard record.gather(4, from: &input) else { return false }
    guard [Signature.localHeader, Signature.centralHeader].contains(record.slice.signature) else {
      try startSpooling(undecided: open)
      return true
    }
    phase = .record
    ledger.append(open.record)
    try settle(open, open.content.verdict(size: open.fields.size, crc32: open.fields.crc32))
    return true
  }

  private func contentFailed(_ open: OpenMember, _ failure: ArchiveFailure) throws {
    ledger.append(EntryRecord(open.fields, offset: open.offset))
    if let member = open.member { try delivery.failed(member, failure) }
    if let compressedSize = open.content.compressedSize, !open.fields.hasDescriptor {
      phase = .skip(compressedSize - min(compressedSize, open.content.consumed))
    } else {
      try startSpooling()
    }
  }

  func settle(_ open: OpenMember, _ failure: ArchiveFailure?) throws {
    guard let member = open.member else { return }
    if let failure {
      try delivery.failed(member, failure)
    } else {
      try delivery.ended(member.with(size: open.content.produced, crc32: open.content.checksum))
    }
  }

  func takeDescriptor(of open: OpenMember, _ input: inout UnsafeRawBufferPointer) throws -> Bool {
    _ = record.gather(DataDescriptor.longest, from: &input)
    switch open.descriptor.decide(record.slice, isEnd: false) {
    case .needsMore:
      return false
    case .length(let length):
      record.drop(length)
      position += UInt64(length)
    case .none where open.isAnnounced || open.member == nil:
      break
    case .none:
      try startSpooling(undecided: open)
      return true
    }
    ledger.append(open.record)
    phase = .record
    try settle(open, nil)
    return true
  }

  /// The stream has ended: a short descriptor that might have been the start of a longer one is what it is.
  func takeLastDescriptor(of open: OpenMember) throws {
    guard case .length = open.descriptor.decide(record.slice, isEnd: true) else { return }
    try settle(open, nil)
  }

  func takeForeign(_ foreign: ForeignMember, _ input: inout UnsafeRawBufferPointer) throws -> Bool {
    var foreign = foreign
    let spool = try collected ?? SpoolFile(directory: options.spoolDirectory, limits: options.limits)
    collected = spool
    let own = UnsafeRawBufferPointer(rebasing: input[..<Int(min(foreign.left, UInt64(input.count)))])
    input = UnsafeRawBufferPointer(rebasing: input[own.count...])
    try spool.append(own)
    position += UInt64(own.count)
    foreign.left -= UInt64(own.count)
    phase = .foreign(foreign)
    guard foreign.left == 0 else { return false }
    phase = .record
    let fields = foreign.header.fields
    ledger.append(EntryRecord(fields, offset: foreign.offset))
    if let member = foreign.member {
      let decoder = ForeignDecoder(fields, compressedSize: fields.compressedSize)
      switch try decoder.decode(spool, at: 0, output: { try delivery.data($0, of: member) }) {
      case .ended: try delivery.ended(member.with(size: fields.size, crc32: fields.crc32))
      case .damaged(let failure): try delivery.failed(member, failure)
      }
    }
    try spool.clear()
    return true
  }
}
