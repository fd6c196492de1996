/// Which layers a step works on: names or globs (`*`, `?`), and the words `first`, `last` and `depthwise`.
public struct LayerSelection: Sendable, Equatable {
  /// Nil: all.
  public var layers: [String]?
  public var exclude: [String] = []

  public init() {}
}

extension LayerSelection {
  /// The members that every step has.
  static let members = ["layers", "exclude"]

  init(_ members: RecipeMembers) throws(CompressionError) {
    self.init()
    layers = try members.strings("layers")
    exclude = try members.strings("exclude") ?? []
  }
}
