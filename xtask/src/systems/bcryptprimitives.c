/* For Wine before version 9, and for tests only: random bytes where Rust looks for them
   (ProcessPrng), from where Windows has had them since XP (RtlGenRandom, exported as SystemFunction036). */
__declspec(dllimport) unsigned char __stdcall SystemFunction036(void *, unsigned long);

__declspec(dllexport) int __stdcall ProcessPrng(unsigned char *at, unsigned long long left)
{
    while (left > 0) {
        unsigned long some = left > 65536 ? 65536 : (unsigned long)left;
        if (!SystemFunction036(at, some)) return 0;
        at += some;
        left -= some;
    }
    return 1;
}
