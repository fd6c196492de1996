/// Makes names that nothing else has.
package struct UniqueNames {
  private var taken: Set<String>
  private var counters: [String: Int] = [:]

  package init(taken: Set<String>) { self.taken = taken }

  /// `base`, or `base` with a number.
  package mutating func next(_ base: String) -> String {
    var name = base
    while !taken.insert(name).inserted {
      counters[base, default: 0] += 1
      name = "\(base)_\(counters[base, default: 0])"
    }
    return name
  }
}
