import CKernels

/// How lines and panels of filters of a convolution are cut into pieces for threads.
///
/// Pieces of the same lines each read, copy or transform the input under them, and pieces of the same panels each read
/// those filters. Of all cuts into about so many pieces as there are threads and a few times more, the one with the
/// shortest estimated time is taken; the unit of the estimate is a multiplication with addition of one thread.
struct PixelSplit {
  /// Reading an element that another thread wrote, or a filter, which comes from the cache that threads share.
  private static let read = 16.0
  /// Copying an element to where windows are contiguous, and transforming one for Winograd's products.
  private static let copy = 8.0
  private static let transform = 40.0
  /// Handing out a piece.
  private static let handOut = 32_768.0
  /// The part of a piece's time for which threads wait for the last one.
  private static let wait = 0.125
  /// Pieces for each thread at most: with more of them than threads, one that is held up does not hold up all.
  private static let piecesPerThread = 4
  /// Rows of a register tile; a piece of fewer rows takes as long as one of that many.
  private static let tileRows = 12

  private let lines: Int
  private let panels: Int
  private let linesPerPart: Int
  private let panelsPerPart: Int
  private let panelParts: Int
  let pieces: Int

  init(_ plan: adze_conv2d_plan, _ shape: ConvolutionShape, threads: Int) {
    lines = plan.lines
    panels = plan.panels
    let layer = Layer(plan, shape)
    var best = (time: Double.infinity, linesPerPart: plan.lines, panelsPerPart: plan.panels)
    let most = threads == 1 ? 1 : threads * Self.piecesPerThread
    for lineParts in 1...max(1, min(lines, most)) {
      let linesPerPart = max(1, (lines - 1) / lineParts + 1)
      for panelParts in 1...max(1, min(panels, most / lineParts)) {
        let panelsPerPart = max(1, (panels - 1) / panelParts + 1)
        let time = layer.time(lines: linesPerPart, panels: panelsPerPart, threads: threads)
        if time <= best.time { best = (time, linesPerPart, panelsPerPart) }
      }
    }
    (_, linesPerPart, panelsPerPart) = best
    panelParts = (panels - 1) / panelsPerPart + 1
    pieces = panelParts * ((lines - 1) / linesPerPart + 1)
  }

  func part(_ piece: Int) -> (lines: Range<Int>, panels: Range<Int>) {
    let (line, panel) = piece.quotientAndRemainder(dividingBy: panelParts)
    let (firstLine, firstPanel) = (line * linesPerPart, panel * panelsPerPart)
    return (
      firstLine..<min(lines, firstLine + linesPerPart), firstPanel..<min(panels, firstPanel + panelsPerPart)
    )
  }

  /// What a convolution takes, all lines and panels together.
  private struct Layer {
    let lines: Int
    let panels: Int
    /// Rows of its product in a line: pixels or tiles.
    let rowsPerLine: Int
    let work: Double
    let inputTime: Double
    let filterTime: Double
    /// Or a panel of filters reads channels of its own, though in shorter runs.
    let panelsShareInput: Bool

    init(_ plan: adze_conv2d_plan, _ shape: ConvolutionShape) {
      lines = max(1, plan.lines)
      panels = max(1, plan.panels)
      let isWinograd = plan.algorithm == ADZE_CONV2D_WINOGRAD
      let width = shape.window.output[2]
      rowsPerLine = max(1, isWinograd ? (width + 3) / 4 : width)
      let filters = Double(shape.depth * shape.filters * shape.groups)
      // A tile of 16 outputs takes 36 products for each pair of channels, not 144.
      work = Double(shape.batch * shape.window.outputSize) * filters * (isWinograd ? 0.25 : 1)
      filterTime = read * filters * (isWinograd ? 4 : 1)
      let isInPlace = shape.window.isPointwise || plan.algorithm == ADZE_CONV2D_DEPTHWISE
      let move = isWinograd ? transform : isInPlace ? 0 : copy
      inputTime =
        (read + move) * Double(shape.batch * shape.window.inputSize * shape.channels * shape.groups)
      panelsShareInput = shape.groups == 1
    }

    func time(lines part: Int, panels panelPart: Int, threads: Int) -> Double {
      let pieces = ((lines - 1) / part + 1) * ((panels - 1) / panelPart + 1)
      let rounds = Double((pieces - 1) / threads + 1)
      let rows = part * rowsPerLine
      let filled = Double((rows - 1) / tileRows + 1) * Double(tileRows) / Double(rows)
      let (ofLines, ofPanels) = (Double(part) / Double(lines), Double(panelPart) / Double(panels))
      let piece =
        work * ofLines * ofPanels * filled + inputTime * ofLines
        * (panelsShareInput ? 1 : ofPanels.squareRoot())
        + filterTime * ofPanels + handOut
      return piece * (rounds + (pieces == 1 ? 0 : wait))
    }
  }
}
