import Foundation

/// Other people's S3 server (the `moto` package of Python) on a free port of this machine, with one object in it and an address for that
/// object which boto3 has signed. It ends with its owner, or at its deadline.
public final class MotoServer: Sendable {
  /// Whether Python has what is needed.
  public static func isInstalled() async -> Bool {
    let outcome = try? await ChildProcess.run("python3", ["-c", "import moto.server, boto3"])
    return outcome?.status == 0
  }

  /// The server's scheme, host and port.
  public let endpoint: String
  /// Good for GET alone, and for an hour unless said otherwise.
  public let url: String
  private let child: ChildProcess

  private static let program = """
    import sys, threading
    import boto3
    from botocore.client import Config
    from moto.server import ThreadedMotoServer
    path, key, lifetime = sys.argv[1], sys.argv[2], int(sys.argv[3])
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://%s:%d" % server.get_host_and_port()
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="simulated",
        aws_secret_access_key="simulated", config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
    client.create_bucket(Bucket="results")
    client.upload_file(path, "results", key)
    url = client.generate_presigned_url("get_object", Params={"Bucket": "results", "Key": key}, ExpiresIn=lifetime)
    print(endpoint, url, flush=True)
    threading.Event().wait()
    """

  public struct StartFailure: Error, CustomStringConvertible {
    public let description: String
  }

  /// Starts it and returns when the object is there.
  /// - Parameters:
  ///   - file: what is uploaded.
  ///   - key: the object's name.
  ///   - lifetime: seconds for which the address is good.
  ///   - timeout: seconds after which the server is ended in any case.
  public static func start(file: String, key: String, lifetime: Int = 3_600, timeout: Double = 300) async throws
    -> MotoServer
  {
    let child = try await ChildProcess.start(
      "python3", ["-W", "ignore", "-c", program, file, key, String(lifetime)],
      // Nothing of the machine's own settings, and no proxy.
      environment: ["AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "NO_PROXY": "127.0.0.1"],
      timeout: timeout)
    while child.isRunning {
      let words = child.outputSoFar.split(whereSeparator: \.isWhitespace).map(String.init)
      if words.count == 2, child.outputSoFar.hasSuffix("\n") {
        return MotoServer(endpoint: words[0], url: words[1], child: child)
      }
      try await Task.sleep(for: .milliseconds(50))
    }
    throw StartFailure(description: "moto does not start: \(child.errorsSoFar)")
  }

  private init(endpoint: String, url: String, child: ChildProcess) {
    self.endpoint = endpoint
    self.url = url
    self.child = child
  }

  deinit {
    child.send(SIGKILL)
  }
}
