import ArgumentParser
import Engine
import GraphIR

struct Operators: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Lists the operators that are computed, with their opsets and element types.",
    discussion: """
      Names are those of ai.onnx, or have their domain in front. With names, the exit code is 1 when one of them
      is not computed.

      adze operators
      adze operators Resize ai.onnx.ml.TreeEnsembleClassifier
      adze operators --format json
      """)

  enum Format: String, CaseIterable, ExpressibleByArgument { case text, markdown, json }

  @Argument(help: "Operators to list (default: all).") var names: [String] = []
  @Option(help: "text, markdown or json.") var format = Format.text

  func run() throws {
    let operators =
      names.isEmpty ? OperatorSupport.all : names.map { OperatorSupport(OperatorName(stringLiteral: $0)) }
    switch format {
    case .text: Console.result(operators.map(OperatorListing.line).joined(separator: "\n"))
    case .markdown: Console.result(OperatorListing.markdown(operators))
    case .json: Console.result(try encodeJSON(operators.map(OperatorListing.Entry.init)))
    }
    if !names.isEmpty && operators.contains(where: { !OperatorListing.isComputed($0) }) {
      throw ExitCode(1)
    }
  }
}
