import HTTPTransport
import Testing

@testable import Serving

@Suite struct AcceptHeaderTests {
  @Test(arguments: [
    ([], false), (["*/*"], false), (["application/json"], false), (["text/html"], true),
    (["TEXT/HTML"], true),
    (["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], true),
    (["application/json, text/html"], true), (["application/json;q=0.9, text/html ; q=0.4"], false),
    (["text/html;q=0.9, application/json ; q=0.4"], true), (["application/json", "text/html"], true),
    (["text/html;q=0"], false), (["text/html;q=2"], false), (["text/html;q=nan"], false),
    (["text/html;q="], false), (["text/htmlx, ,;q=1"], false), (["text/html;level=1"], true),
    (["text/*"], false),
  ]) func prefersHTML(values: [String], expected: Bool) {
    let headers = HTTPHeaders(values.map { ("accept", $0) })
    #expect(AcceptHeader.prefersHTML(headers) == expected)
  }
}
