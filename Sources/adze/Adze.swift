import ArgumentParser
import Engine
import Glibc
import Serving

/// The `adze` command: exit code 0 done, 1 failed, 2 bad usage; results on stdout, messages on stderr.
@main
struct Adze: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "adze",
    abstract: "Makes trained ONNX models small and fast, and serves them.",
    discussion: """
      adze serve                                        start the server on port 8080
      adze inspect model.onnx                           what is in a model
      adze compress model.onnx small.onnx               smaller and faster, with a report
      adze bench model.onnx --batch 32                  how fast a model is on this machine

      Every command explains itself with --help.
      """,
    version: Server.version,
    subcommands: [
      Serve.self, Run.self, Verify.self, Bench.self, Inspect.self, Compress.self, Eval.self,
      Operators.self,
    ])

  static func main() async {
    // A file over the size limit is then an error that is cleaned up after, not the end of the process.
    signal(SIGXFSZ, SIG_IGN)
    if let problem = CPU.isaRequestProblem {
      Console.message("adze: \(problem)")
      Glibc.exit(2)
    }
    do {
      var command = try parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      leave(for: error)
    }
  }

  /// Prints what the user needs to know about `error` and ends the process with the code that belongs to it.
  private static func leave(for error: any Error) -> Never {
    if let failure = error as? CommandFailure {
      Console.message("adze: \(failure.description)")
      Glibc.exit(1)
    }
    let code = exitCode(for: error)
    let text = fullMessage(for: error)
    if code.isSuccess {
      if !text.isEmpty { Console.result(text) }
      Glibc.exit(0)
    }
    if !text.isEmpty { Console.message(text) }
    Glibc.exit(code == .validationFailure ? 2 : 1)
  }
}

/// A command that could not do its work; `description` is one line for the user.
struct CommandFailure: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
