/// One HTTP/2 stream. Confined to its connection's loop.
final class HTTP2Stream {
  let id: Int32
  /// While the head is arriving.
  var builder: HTTP2RequestBuilder?
  var request: RequestStream?
  var source = BodySource.empty
  /// libnghttp2 does not ask for more until it is told that there is some.
  var isDeferred = false
  /// The last body byte was given to libnghttp2.
  var isSourceDone = false
  /// When the response last moved.
  var lastProgress = 0

  init(id: Int32) { self.id = id }
}
