import Foundation
import GraphIR
import Tensors
import Testing

@testable import Engine

@Suite struct ImageDecoderTests {
  /// Files that Pillow wrote of one image of 19 x 11 pixels, and the checksum of what it reads from them.
  static let files: [(name: String, base64: String, width: Int, height: Int, samples: Int, crc: UInt32)] = [
    (
      "JPEG 4:2:0",
      """
      /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCN
      l4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/wAAR
      CAALABMDASIAAhEBAxEB/8QAFwAAAwEAAAAAAAAAAAAAAAAAAAMEBf/EAB4QAAEDBQEBAAAAAAAAAAAAAAIAAQMEERIhIhNB/8QAFwEAAwEA
      AAAAAAAAAAAAAAAAAAECA//EAB8RAAEDAwUAAAAAAAAAAAAAAAIAARMRITEDFCNBQv/aAAwDAQACEQMRAD8ASHtTH1dxVjSwVAWe2SdMzFD0
      11jFxNzraYjKMuKdIHlvq3ZVFQnk+L6QqY5C8x38Qsd6LeGUyUwy/9k=
      """, 19, 11, 3, 2_367_078_165
    ),
    (
      "progressive JPEG",
      """
      /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCN
      l4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/wgAR
      CAALABMDASIAAhEBAxEB/8QAFwAAAwEAAAAAAAAAAAAAAAAAAAIDBP/EABYBAQEBAAAAAAAAAAAAAAAAAAABAv/aAAwDAQACEAMQAAABSz4i
      pUxP/8QAGxAAAgIDAQAAAAAAAAAAAAAAAAECIRESMUH/2gAIAQEAAQUCuJlSNB89Tr//xAAYEQACAwAAAAAAAAAAAAAAAAAAARIiMv/aAAgB
      AwEBPwFW0SP/xAAYEQEAAwEAAAAAAAAAAAAAAAABABITUf/aAAgBAgEBPwELFpscn//EABQQAQAAAAAAAAAAAAAAAAAAACD/2gAIAQEABj8C
      X//EABkQAAMBAQEAAAAAAAAAAAAAAAABIRExYf/aAAgBAQABPyFbXhi9G+wuxyRmD//aAAwDAQACAAMAAAAQGy//xAAYEQADAQEAAAAAAAAA
      AAAAAAAAASExQf/aAAgBAwEBPxDraIxH/8QAFxEAAwEAAAAAAAAAAAAAAAAAABFBUf/aAAgBAgEBPxDCqCpP/8QAGhAAAwEBAQEAAAAAAAAA
      AAAAAAERIUExYf/aAAgBAQABPxDtmFNcFKsEWCnxNPQcP//Z
      """, 19, 11, 3, 2_367_078_165
    ),
    (
      "JPEG 4:2:2",
      """
      /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCN
      l4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/wAAR
      CAALABMDASEAAhEBAxEB/8QAFwAAAwEAAAAAAAAAAAAAAAAAAAQFA//EAB4QAAEDBQEBAAAAAAAAAAAAAAIAAQMEERIhIhNB/8QAGAEAAgMA
      AAAAAAAAAAAAAAAAAgMABAX/xAAhEQACAQMDBQAAAAAAAAAAAAAAAQIDBBESITETFCIyQf/aAAwDAQACEQMRAD8AxD2pj6u4pxpYKgLPbJDU
      z1MQ9STfdvTH4LFQnk+L6QrmmgHmK2H5mYoemuoxcTc62kW29u2DQ8E3EpxyF5jv4hZDk88iHyf/2Q==
      """, 19, 11, 3, 2_581_903_990
    ),
    (
      "PNG with a palette",
      """
      iVBORw0KGgoAAAANSUhEUgAAABMAAAALBAMAAABv+6sJAAAAFVBMVEWKwmFUx4CskZRGlGi3aJBRbm2NOZBpOn7IAAAAXklEQVR4nAXBsRGD
      QAxFwXefnAFSEnGBU7sY2nbgBm7UAcKxR/JuO4P0S6Zdm0GSGEKGB84i0ExFfRBcE7QlaY9nOu8O2Y6v0SsYqUjEBqBgsNLBVcEN2EDU+gPu
      F3+rjSSS1GOtCgAAAABJRU5ErkJggg==
      """, 19, 11, 3, 1_479_218_067
    ),
    (
      "grey PNG",
      """
      iVBORw0KGgoAAAANSUhEUgAAABMAAAALCAAAAAC4vunmAAAAvElEQVR4nAXB207DMAwAUDtx6oT1NmkwXkB8Kl+KtAeEAG3r6JqkTeJwDr6/
      vRw7FS6fp4/T13Wl/vmVIK8LqhiSaHab0Q+sCZbfwJj9LTWjHouyrSO4zYhYqxTHT7UioiaY7j5V4l3fdTvWsoWZYP6+eOHh0drDoW/ychaC
      7T7NYrEV7fo9Z4qGQJExYkhDLTmpnEslcHs1SNN2lP60NyVMkWCwxwJIDcefK6la0kow2oawpBj9eU2CxO4fO2hd0stR1O8AAAAASUVORK5C
      YII=
      """, 19, 11, 1, 2_361_782_063
    ),
    (
      "TIFF with PackBits",
      """
      SUkqADgAAAAOgFxEoFdQvVZi1Fp24WGMDoA8bJwycLYwdsk3fdVGhA6ALJmRH5ShHYytJYS0OHoKAAABAwABAAAABQAAAAEBAwABAAAAAwAA
      AAIBAwADAAAAtgAAAAMBAwABAAAABYAAAAYBAwABAAAAAgAAABEBBAABAAAACAAAABUBAwABAAAAAwAAABYBAwABAAAAAwAAABcBBAABAAAA
      MAAAABwBAwABAAAAAQAAAAAAAAAIAAgACAA=
      """, 5, 3, 3, 165_299_377
    ),
  ]

  private static func bytes(_ base64: String) throws -> [UInt8] {
    [UInt8](try #require(Data(base64Encoded: base64.filter { !$0.isWhitespace })))
  }

  @Test(arguments: files.indices) func readsAsPillow(index: Int) throws {
    let file = Self.files[index]
    let picture = try ImageDecoderOperator.decode(try Self.bytes(file.base64), limit: 1 << 20)
    #expect(picture.width == file.width)
    #expect(picture.height == file.height)
    #expect(picture.samples == file.samples)
    #expect(picture.bytes.withUnsafeBytes { Zlib.crc($0) } == file.crc)
  }

  /// No change of a file does more than make it unreadable.
  @Test(arguments: files.indices) func damageIsSurvived(index: Int) throws {
    let original = try Self.bytes(Self.files[index].base64)
    var numbers = NumberSequence(seed: UInt64(index))
    func number(below limit: Int) -> Int { min(limit - 1, Int((numbers.next() + 1) / 2 * Float(limit))) }
    for _ in 0..<400 {
      var file = original
      for _ in 0...number(below: 4) { file[number(below: file.count)] = UInt8(number(below: 256)) }
      if number(below: 4) == 0 { file.removeLast(number(below: file.count)) }
      if let picture = try? ImageDecoderOperator.decode(file, limit: 1 << 20) {
        #expect(picture.bytes.count == picture.width * picture.height * picture.samples)
        #expect(picture.bytes.count <= 1 << 20)
      }
    }
  }

  private func little(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  private func bmp(width: Int, height: Int, bits: Int, palette: [UInt8] = [], _ pixels: [UInt8]) -> [UInt8] {
    let header =
      little(40, 4) + little(width, 4) + little(height, 4) + little(1, 2) + little(bits, 2)
      + little(0, 12) + little(0, 4) + little(palette.count / 4, 4) + little(0, 4)
    return Array("BM".utf8) + little(0, 8) + little(54 + palette.count, 4) + header + palette + pixels
  }

  /// Rows from below, filled up to four bytes; negative heights from above.
  @Test func bitmaps() throws {
    let pixels: [UInt8] = [1, 2, 3, 0, 4, 5, 6, 0]
    let below = try ImageDecoderOperator.decode(bmp(width: 1, height: 2, bits: 24, pixels), limit: 100)
    #expect(below.bytes == [6, 5, 4, 3, 2, 1])
    let above = try ImageDecoderOperator.decode(bmp(width: 1, height: -2, bits: 24, pixels), limit: 100)
    #expect(above.bytes == [3, 2, 1, 6, 5, 4])
    let palette: [UInt8] = [0, 0, 0, 0, 30, 20, 10, 0]
    let one = bmp(width: 3, height: 1, bits: 1, palette: palette, [0b1010_0000, 0, 0, 0])
    #expect(try ImageDecoderOperator.decode(one, limit: 100).bytes == [10, 20, 30, 0, 0, 0, 10, 20, 30])
    #expect(throws: ImageFailure.damaged) {
      try ImageDecoderOperator.decode(bmp(width: 2, height: 2, bits: 24, pixels), limit: 100)
    }
    #expect(throws: ImageFailure.tooLarge(bytes: .max)) {
      try ImageDecoderOperator.decode(
        bmp(width: Int(Int32.max), height: Int(Int32.max), bits: 24, pixels), limit: 100)
    }
  }

  static let portable: [(file: String, samples: Int, bytes: [UInt8])] = [
    ("P1 # a comment\n3 1\n10 1", 1, [0, 255, 0]), ("P2 2 1 10 0 5", 1, [0, 128]),
    ("P3\n1 1\n255\n7 8 9\n", 3, [7, 8, 9]), ("P4 3 1\n\u{20}", 1, [255, 255, 0]),
    ("P5 2 1 255\nAB", 1, [65, 66]), ("P6 1 1 255\nABC", 3, [65, 66, 67]),
  ]

  @Test(arguments: portable.indices) func portableFormats(index: Int) throws {
    let item = Self.portable[index]
    let picture = try ImageDecoderOperator.decode(Array(item.file.utf8), limit: 100)
    #expect(picture.samples == item.samples)
    #expect(picture.bytes == item.bytes)
  }

  @Test func pixelFormats() throws {
    let file = try Tensor(shape: [14], Array("P6 1 1 255\nABC".utf8))
    func run(_ format: String) throws -> Tensor {
      try OperatorRunner.run("ImageDecoder", [file], ["pixel_format": .string(format)])[0]
    }
    #expect(try run("RGB") == Tensor(shape: [1, 1, 3], [65, 66, 67] as [UInt8]))
    #expect(try run("BGR") == Tensor(shape: [1, 1, 3], [67, 66, 65] as [UInt8]))
    #expect(try run("Grayscale") == Tensor(shape: [1, 1, 1], [66] as [UInt8]))
  }

  /// As ONNX says, what cannot be decoded is an empty image; but a format that is known is named.
  @Test func unreadableFiles() throws {
    let damaged = try Tensor(shape: [4], [1, 2, 3, 4] as [UInt8])
    #expect(try OperatorRunner.run("ImageDecoder", [damaged])[0].shape == [0, 0, 3])
    let webp = Array("RIFF".utf8) + [0, 0, 0, 0] + Array("WEBPVP8 ".utf8)
    #expect {
      try OperatorRunner.run("ImageDecoder", [try Tensor(shape: [webp.count], webp)])
    } throws: { "\($0)".contains("WebP is not supported") }
  }
}
