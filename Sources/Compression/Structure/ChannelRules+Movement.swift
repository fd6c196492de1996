import GraphIR
import Tensors

/// Operators that move channels to other axes or places.
extension ChannelRules {
  mutating func transpose(_ index: Int, _ node: Node) {
    guard let rank = variables.rank(node.inputs[0]) else { return stop(index) }
    let permutation = node.attributes.ints("perm") ?? Array((0..<rank).reversed())
    guard permutation.sorted() == Array(0..<rank) else { return stop(index) }
    carry(node, axes: Dictionary(uniqueKeysWithValues: permutation.enumerated().map { ($1, $0) }))
  }

  /// Channels side by side; an input that is not followed takes its places, which stay.
  mutating func concat(_ index: Int, _ node: Node) {
    guard let rank = variables.rank(node.outputs[0]), let axis = node.attributes.int("axis") else {
      return stop(index)
    }
    let joined = axis < 0 ? axis + rank : axis
    guard (0..<rank).contains(joined) else { return stop(index) }
    for axis in 0..<rank where axis != joined {
      var known: [Int]?
      for input in node.inputs {
        let positions = isActivation(input) ? variables.positions(input, axis) : nil
        if positions == nil { variables.atoms.fix(known) }
        if let known { variables.atoms.unite(known, positions) } else { known = positions }
      }
      variables.set(node.outputs[0], axis, known)
    }
    var channels: [Int]? = []
    for input in node.inputs {
      if let positions = isActivation(input) ? variables.positions(input, joined) : nil {
        channels? += positions
      } else if let extent = variables.extent(input, joined) {
        let places = variables.atoms.fresh(extent)
        variables.atoms.fix(places)
        channels? += places
        variables.fix(input)
      } else {
        for input in node.inputs { variables.atoms.fix(variables.positions(input, joined)) }
        channels = nil
        break
      }
    }
    variables.set(node.outputs[0], joined, channels)
  }

  mutating func split(_ index: Int, _ node: Node) {
    guard let rank = variables.rank(node.inputs[0]) else { return stop(index) }
    let axis = node.attributes.int("axis") ?? 0
    let cut = axis < 0 ? axis + rank : axis
    for axis in 0..<rank where axis != cut {
      for output in node.outputs { variables.set(output, axis, variables.positions(node.inputs[0], axis)) }
    }
    guard let channels = variables.positions(node.inputs[0], cut) else { return }
    let sizes = node.outputs.map { variables.extent($0, cut) }
    guard !sizes.contains(nil), sizes.reduce(0, { $0 + ($1 ?? 0) }) == channels.count else {
      variables.atoms.fix(channels)
      return
    }
    let hasSizes = node.inputs.count > 1 && variables.graph.constant(node.inputs[1]) != nil
    var start = 0
    let first = Array(channels[..<(sizes.first.flatMap { $0 } ?? 0)])
    for (number, output) in node.outputs.enumerated() {
      let part = Array(channels[start..<start + (sizes[number] ?? 0)])
      start += part.count
      variables.set(output, cut, part)
      if hasSizes {
        variables.addExtent(.init(node: index, input: 1, element: number, atoms: part))
      } else {
        // Equal parts stay equal when each loses the channel at the same place.
        variables.atoms.unite(first, part)
      }
    }
    if node.attributes.ints("split") != nil { variables.atoms.fix(channels) }
  }

  /// Axes that are only grouped anew: leading and trailing ones that stay, and between them one axis that is taken
  /// apart or several that are joined.
  mutating func reshape(_ index: Int, _ node: Node) {
    let (input, output) = (node.inputs[0], node.outputs[0])
    guard let before = variables.rank(input), let after = variables.rank(output), isActivation(input) else {
      return stop(index)
    }
    var head = 0
    while head < min(before, after), staysAt(input, head, output, head, node) { head += 1 }
    if let free = unknownAxes(input, head, output) {
      for axis in head..<head + free { variables.atoms.fix(variables.positions(input, axis)) }
      head += free
      while head < min(before, after), staysAt(input, head, output, head, node) { head += 1 }
    }
    var tail = 0
    while tail < min(before, after) - head, staysAt(input, before - 1 - tail, output, after - 1 - tail, node)
    {
      tail += 1
    }
    for axis in 0..<head { variables.set(output, axis, variables.positions(input, axis)) }
    for place in 1..<tail + 1 {
      variables.set(output, after - place, variables.positions(input, before - place))
    }
    regroup(input, Array(head..<before - tail), output, Array(head..<after - tail))
    if node.op == "Reshape" { noteExtents(index, node) }
    if node.op == "Flatten", node.attributes.int("axis") ?? 1 != 1 {
      for axis in 0..<before { variables.atoms.fix(variables.positions(input, axis)) }
    }
  }

  /// True when the extents are equal and known, or the new shape says that this one is copied.
  private func staysAt(_ input: ValueID, _ from: Int, _ output: ValueID, _ to: Int, _ node: Node) -> Bool {
    if let a = variables.extent(input, from), let b = variables.extent(output, to) { return a == b }
    if node.op == "Flatten" { return from == 0 && to == 0 && node.attributes.int("axis") ?? 1 == 1 }
    guard from == to, node.op == "Reshape", let shape = variables.graph.constant(node.inputs[1]),
      shape.type == .int64
    else { return false }
    return from < shape.elementCount && shape.array(of: Int.self)[from] == 0
      && node.attributes.int("allowzero") ?? 0 == 0
  }

  /// How many leading axes have unknown extents on both sides, when what follows them is known and has as many elements:
  /// then these axes hold the same rows, whatever they are. nil when that cannot be told.
  private func unknownAxes(_ input: ValueID, _ start: Int, _ output: ValueID) -> Int? {
    let (from, to) = (
      variables.dimensions[Int(input.index)] ?? [], variables.dimensions[Int(output.index)] ?? []
    )
    let free = from.dropFirst(start).prefix { $0 == nil }.count
    guard free > 0, to.dropFirst(start).prefix(while: { $0 == nil }).count == free else { return nil }
    let (left, right) = (from.dropFirst(start + free), to.dropFirst(start + free))
    guard !left.contains(nil), !right.contains(nil) else { return nil }
    let counts = [left, right].map { $0.reduce(1) { $0 * ($1 ?? 0) } }
    return counts[0] == counts[1] ? free : nil
  }

  private mutating func regroup(_ input: ValueID, _ from: [Int], _ output: ValueID, _ to: [Int]) {
    let tracked = from.filter { variables.positions(input, $0) != nil }
    if tracked.isEmpty { return }
    let sizes = from.compactMap { variables.extent(input, $0) }
    let targets = to.compactMap { variables.extent(output, $0) }
    if tracked.count == 1, sizes.count == from.count, let axis = tracked.first,
      let positions = variables.positions(input, axis)
    {
      let place = from.firstIndex(of: axis) ?? 0
      let outer = sizes[..<place].reduce(1, *)
      let inner = sizes[(place + 1)...].reduce(1, *)
      let many = targets.filter { $0 != 1 }
      // Joined: each channel takes `inner` places in a row, and all of them again for each outer index.
      if targets.count == to.count, many.count == 1, many[0] == outer * positions.count * inner {
        let row = positions.flatMap { Array(repeating: $0, count: inner) }
        let target = to[targets.firstIndex(of: many[0]) ?? 0]
        variables.set(output, target, Array(repeatElement(row, count: outer).joined()))
        return
      }
      // Taken apart: what shares an index of the first part goes together.
      if from.count == 1, targets.count == to.count, let count = targets.first, count > 0,
        targets.reduce(1, *) == positions.count
      {
        let run = positions.count / count
        var rows: [Int] = []
        for row in 0..<count {
          for place in 1..<max(run, 1) {
            variables.atoms.unite(positions[row * run], positions[row * run + place])
          }
          rows.append(positions[row * run])
        }
        variables.set(output, to[0], rows)
        return
      }
    }
    for axis in tracked { variables.atoms.fix(variables.positions(input, axis)) }
  }

  /// Notes elements of the new shape that count channels: in a constant, or in a constant part of a concatenation that
  /// nothing else reads.
  private mutating func noteExtents(_ index: Int, _ node: Node) {
    let graph = variables.graph
    let output = node.outputs[0]
    guard let rank = variables.rank(output), node.inputs.count > 1 else { return }
    for axis in 0..<rank {
      guard let positions = variables.positions(output, axis) else { continue }
      if let shape = graph.constant(node.inputs[1]) {
        guard shape.type == .int64, axis < shape.elementCount else {
          variables.atoms.fix(positions); continue
        }
        if shape.array(of: Int.self)[axis] > 0 {
          variables.addExtent(.init(node: index, input: 1, element: axis, atoms: positions))
        }
        continue
      }
      guard let place = part(of: node.inputs[1], element: axis) else {
        variables.atoms.fix(positions); continue
      }
      if place.number > 0 {
        variables.addExtent(
          .init(node: place.node, input: place.input, element: place.element, atoms: positions))
      }
    }
  }

  /// Where element `element` of a concatenated shape lies; nil when it is not a constant's, or read elsewhere too.
  private func part(of shape: ValueID, element: Int) -> (node: Int, input: Int, element: Int, number: Int)? {
    let graph = variables.graph
    guard let producer = variables.index.producers[shape], graph.nodes[producer].op == "Concat",
      variables.index.onlyUse(of: shape) != nil
    else { return nil }
    var start = 0
    for (place, piece) in graph.nodes[producer].inputs.enumerated() {
      guard let count = variables.extent(piece, 0) else { return nil }
      if element < start + count {
        guard let constant = graph.constant(piece), constant.type == .int64 else { return nil }
        return (producer, place, element - start, constant.array(of: Int.self)[element - start])
      }
      start += count
    }
    return nil
  }
}
