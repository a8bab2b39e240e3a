import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import org.testcontainers.containers.BindMode;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.wait.strategy.Wait;

/** A suite of Testcontainers for Java: it starts a container, maps a port, mounts a directory and removes the container. */
public class Suite {
  private static final Path WORKSPACE = Path.of("/work");
  // It serves the file that the suite has written, and writes one itself.
  private static final String SERVER = "echo from the container >/w/answer && exec httpd -f -p 8080 -h /w";

  public static void main(String[] arguments) throws Exception {
    Files.writeString(WORKSPACE.resolve("question"), "from the suite");
    try (GenericContainer<?> container = new GenericContainer<>("busybox:1.37")) {
      container
          .withCommand("sh", "-c", SERVER)
          .withExposedPorts(8080)
          .withFileSystemBind(WORKSPACE.toString(), "/w", BindMode.READ_WRITE)
          .waitingFor(Wait.forHttp("/question"))
          .start();
      URI url = URI.create("http://" + container.getHost() + ":" + container.getMappedPort(8080));
      HttpRequest request = HttpRequest.newBuilder(url.resolve("/question")).build();
      String question = HttpClient.newHttpClient().send(request, BodyHandlers.ofString()).body();
      String answer = Files.readString(WORKSPACE.resolve("answer")).strip();
      System.out.printf("%s said %s, %s%n", url, question, answer);
    }
  }
}
