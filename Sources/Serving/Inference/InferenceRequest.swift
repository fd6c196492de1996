import Engine
import GraphIR
import Tensors

/// A named input or output of a served model.
public struct TensorPort: Sendable, Equatable {
  public let name: String
  public let element: ElementType
  /// Outermost first; nil when even the rank is unknown.
  public let dimensions: [Dimension]?
  /// True for an input that has a default in the model and may be left out.
  public let isOptional: Bool
  /// The classes that the columns of an output stand for, as far as the model says.
  public let labels: PortLabels?

  public init(
    name: String, element: ElementType, dimensions: [Dimension]?, isOptional: Bool = false,
    labels: PortLabels? = nil
  ) {
    self.name = name
    self.element = element
    self.dimensions = dimensions
    self.isOptional = isOptional
    self.labels = labels
  }
}

/// One inference to be made by a `Servable`.
public struct InferenceRequest: Sendable {
  /// In `Servable.inputs` order; nil only for optional inputs.
  public let inputs: [Tensor?]
  /// The outputs wanted, as indexes into `Servable.outputs`, in reply order.
  public let outputs: [Int]
  /// When the answer is of no use any more; nil: the configured default.
  public let deadline: ContinuousClock.Instant?
  /// Asked before, during and after the run: true once the client is gone.
  public let isCancelled: (@Sendable () -> Bool)?
  /// True when the submitter may bring more at once and then calls `WorkerPool.endTurn`, so that they are run
  /// together.
  public let isFollowed: Bool
  /// Called exactly once, on a worker thread or on the submitting one; the reply is encoded in it.
  public let completion: @Sendable (Result<InferenceResult, ServingError>) -> Void

  public init(
    inputs: [Tensor?], outputs: [Int], deadline: ContinuousClock.Instant? = nil,
    isCancelled: (@Sendable () -> Bool)? = nil, isFollowed: Bool = false,
    completion: @escaping @Sendable (Result<InferenceResult, ServingError>) -> Void
  ) {
    self.inputs = inputs
    self.outputs = outputs
    self.deadline = deadline
    self.isCancelled = isCancelled
    self.isFollowed = isFollowed
    self.completion = completion
  }
}

/// The answer to one `InferenceRequest`.
public struct InferenceResult: Sendable {
  /// In the order of `InferenceRequest.outputs`.
  public let outputs: [Tensor]
  /// From submission until a worker took the request.
  public let queueNanoseconds: Int
  /// Gathering, running and splitting of the batch that the request was part of.
  public let computeNanoseconds: Int
  /// Rows that were run together with this request, its own included; 1 for models that are not batched.
  public let batchSize: Int

  public init(outputs: [Tensor], queueNanoseconds: Int, computeNanoseconds: Int, batchSize: Int) {
    self.outputs = outputs
    self.queueNanoseconds = queueNanoseconds
    self.computeNanoseconds = computeNanoseconds
    self.batchSize = batchSize
  }
}
