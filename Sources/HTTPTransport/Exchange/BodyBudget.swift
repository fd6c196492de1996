import Synchronization

/// The server-wide bound on request body bytes held in memory.
final class BodyBudget: Sendable {
  private let used = Atomic<Int>(0)
  let limit: Int

  init(limit: Int) { self.limit = limit }

  var bytes: Int { used.load(ordering: .relaxed) }

  fileprivate func take(_ amount: Int) -> Bool {
    let after = used.wrappingAdd(amount, ordering: .relaxed).newValue
    if after <= limit { return true }
    give(amount)
    return false
  }

  fileprivate func give(_ amount: Int) { used.wrappingSubtract(amount, ordering: .relaxed) }
}

/// One request's part of the budget, given back when the exchange is gone.
final class BodyReservation: Sendable {
  private let budget: BodyBudget
  private let held = Atomic<Int>(0)

  init(_ budget: BodyBudget) { self.budget = budget }

  deinit { budget.give(held.load(ordering: .relaxed)) }

  /// False when the server holds too many body bytes already; nothing is taken then.
  func add(_ amount: Int) -> Bool {
    guard budget.take(amount) else { return false }
    held.wrappingAdd(amount, ordering: .relaxed)
    return true
  }
}
