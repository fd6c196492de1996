import GraphIR

/// A value of one of a model's graphs.
struct Place: Hashable {
  var path: GraphPath
  var value: ValueID
}
