/* Computes for ever in methods that the JIT compiler compiles; and one thread waits in the interpreter. */
import java.lang.management.ManagementFactory;
import javax.management.ObjectName;

public class Busy {
    static long inner(int n) {
        return n < 2 ? n : inner(n - 1) + inner(n - 2);
    }

    static long outer(int rounds) {
        long sum = 0;
        for (int i = 0; i < rounds; i++)
            sum += inner(20);
        return sum;
    }

    public static void main(String[] arguments) throws Exception {
        Thread waiter = new Thread(() -> {
            try {
                synchronized (Busy.class) {
                    Busy.class.wait();
                }
            } catch (InterruptedException e) {
                throw new RuntimeException(e);
            }
        }, "waiter");
        waiter.setDaemon(true);
        waiter.start();
        outer(3000);
        /* What "jcmd PID Compiler.perfmap" does; jcmd is in another package. */
        ManagementFactory.getPlatformMBeanServer().invoke(
            new ObjectName("com.sun.management:type=DiagnosticCommand"), "compilerPerfmap", null, null);
        System.out.println("ready");
        for (;;)
            outer(1000);
    }
}
