// The kernel: the compression function of BLAKE3 (section 2.2 of the paper,
// https://github.com/BLAKE3-team/BLAKE3-specs) for 16 inputs at once, with
// AVX-512.
//
// Z0-Z15 hold the 16 words of the state and Z16-Z31 the 16 words of the message
// block; element i of each register belongs to lane i. So nothing is spilled in
// the seven rounds, and a permutation of the message is a permutation of names.
//
//	DI  the lanes              K1  lanes whose last block this is
//	BX  bytes done of each     K2  lanes that have not ended before this block
//	DX  all ones               K3  lanes with less than a whole block left
//	AX, CX  scratch            K4  all in the first block, none after it
//	                           K5  bytes that one lane has in this block

#include "textflag.h"
#include "go_asm.h"

// The initial chaining value; its first half is also words 8-11 of a state.
DATA iv<>+0(SB)/4, $0x6A09E667
DATA iv<>+4(SB)/4, $0xBB67AE85
DATA iv<>+8(SB)/4, $0x3C6EF372
DATA iv<>+12(SB)/4, $0xA54FF53A
DATA iv<>+16(SB)/4, $0x510E527F
DATA iv<>+20(SB)/4, $0x9B05688C
DATA iv<>+24(SB)/4, $0x1F83D9AB
DATA iv<>+28(SB)/4, $0x5BE0CD19
GLOBL iv<>(SB), RODATA|NOPTR, $32

DATA blockSize<>+0(SB)/4, $64
GLOBL blockSize<>(SB), RODATA|NOPTR, $4

// ROW reads the block of a lane, of which it has all 64 bytes, and has the one
// fetched that the lane will come to next in a long content.
#define ROW(lane, z) \
	MOVQ       (lanes_from+8*lane)(DI), AX \
	VMOVDQU32  (AX)(BX*1), z               \
	PREFETCHT0 const_portion(AX)(BX*1)

// ROWPART reads as much of the block as the lane has, and zeros for the rest:
// what is masked out is not accessed. A lane that has nothing is not asked at
// all, as it may point anywhere, and a fault that a mask suppresses takes long.
#define ROWPART(lane, z) \
	MOVL       left+(4*lane-64)(SP), CX \
	MOVQ       (lanes_from+8*lane)(DI), AX  \
	VPXORD     z, z, z                      \
	TESTL      CX, CX                       \
	JZ         4(PC)                        \
	BZHIQ      CX, DX, CX                   \
	KMOVQ      CX, K5                       \
	VMOVDQU8.Z (AX)(BX*1), K5, z

// WORDS transposes each 4 by 4 words: of rows a, b, c, d it leaves in a the
// words 0, 4, 8, 12, each of four lanes, in b the words 1, 5, 9, 13, and so on.
#define WORDS(a, b, c, d) \
	VPUNPCKLDQ  b, a, Z8    \
	VPUNPCKHDQ  b, a, Z9    \
	VPUNPCKLDQ  d, c, Z10   \
	VPUNPCKHDQ  d, c, Z11   \
	VPUNPCKLQDQ Z10, Z8, a  \
	VPUNPCKHQDQ Z10, Z8, b  \
	VPUNPCKLQDQ Z11, Z9, c  \
	VPUNPCKHQDQ Z11, Z9, d

// QUARTERS transposes 4 by 4 quarters of registers: a gets quarter 0 of a, b, c
// and d, b quarter 1, and so on.
#define QUARTERS(a, b, c, d) \
	VSHUFI32X4 $0x88, b, a, Z8   \
	VSHUFI32X4 $0xDD, b, a, Z9   \
	VSHUFI32X4 $0x88, d, c, Z10  \
	VSHUFI32X4 $0xDD, d, c, Z11  \
	VSHUFI32X4 $0x88, Z10, Z8, a \
	VSHUFI32X4 $0x88, Z11, Z9, b \
	VSHUFI32X4 $0xDD, Z10, Z8, c \
	VSHUFI32X4 $0xDD, Z11, Z9, d

// HALF is half of the function G, of four columns or four diagonals whose words
// are a, b, c and d, with the message words m.
#define HALF(a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3, m0, m1, m2, m3, right1, right2) \
	VPADDD m0, a0, a0 \
	VPADDD m1, a1, a1 \
	VPADDD m2, a2, a2 \
	VPADDD m3, a3, a3 \
	VPADDD b0, a0, a0 \
	VPADDD b1, a1, a1 \
	VPADDD b2, a2, a2 \
	VPADDD b3, a3, a3 \
	VPXORD a0, d0, d0 \
	VPXORD a1, d1, d1 \
	VPXORD a2, d2, d2 \
	VPXORD a3, d3, d3 \
	VPRORD right1, d0, d0 \
	VPRORD right1, d1, d1 \
	VPRORD right1, d2, d2 \
	VPRORD right1, d3, d3 \
	VPADDD d0, c0, c0 \
	VPADDD d1, c1, c1 \
	VPADDD d2, c2, c2 \
	VPADDD d3, c3, c3 \
	VPXORD c0, b0, b0 \
	VPXORD c1, b1, b1 \
	VPXORD c2, b2, b2 \
	VPXORD c3, b3, b3 \
	VPRORD right2, b0, b0 \
	VPRORD right2, b1, b1 \
	VPRORD right2, b2, b2 \
	VPRORD right2, b3, b3

#define COLUMNS(m0, m1, m2, m3, right1, right2) \
	HALF(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15, m0, m1, m2, m3, right1, right2)

#define DIAGONALS(m0, m1, m2, m3, right1, right2) \
	HALF(Z0, Z1, Z2, Z3, Z5, Z6, Z7, Z4, Z10, Z11, Z8, Z9, Z15, Z12, Z13, Z14, m0, m1, m2, m3, right1, right2)

#define ROUND(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15) \
	COLUMNS(m0, m2, m4, m6, $16, $12)      \
	COLUMNS(m1, m3, m5, m7, $8, $7)        \
	DIAGONALS(m8, m10, m12, m14, $16, $12) \
	DIAGONALS(m9, m11, m13, m15, $8, $7)

// DIGESTS writes the chaining values of the lanes k, k+4, k+8 and k+12, of
// which low has the first and high the second halves.
#define DIGESTS(k, low, high) \
	VEXTRACTI32X4 $0, low, (lanes_out+32*k)(DI)       \
	VEXTRACTI32X4 $0, high, (lanes_out+32*k+16)(DI)   \
	VEXTRACTI32X4 $1, low, (lanes_out+32*k+128)(DI)   \
	VEXTRACTI32X4 $1, high, (lanes_out+32*k+144)(DI)  \
	VEXTRACTI32X4 $2, low, (lanes_out+32*k+256)(DI)   \
	VEXTRACTI32X4 $2, high, (lanes_out+32*k+272)(DI)  \
	VEXTRACTI32X4 $3, low, (lanes_out+32*k+384)(DI)   \
	VEXTRACTI32X4 $3, high, (lanes_out+32*k+400)(DI)

// func compress(l *lanes)
TEXT ·compress(SB), NOSPLIT, $64-8
	MOVQ   l+0(FP), DI
	XORL   BX, BX
	MOVQ   $-1, DX
	KXNORW K2, K2, K2
	KXNORW K4, K4, K4

	VPBROADCASTD iv<>+0(SB), Z0
	VPBROADCASTD iv<>+4(SB), Z1
	VPBROADCASTD iv<>+8(SB), Z2
	VPBROADCASTD iv<>+12(SB), Z3
	VPBROADCASTD iv<>+16(SB), Z4
	VPBROADCASTD iv<>+20(SB), Z5
	VPBROADCASTD iv<>+24(SB), Z6
	VPBROADCASTD iv<>+28(SB), Z7

block:
	// Z14: how many bytes each lane has in this block; Z15: its flags.
	VPBROADCASTD  BX, Z8
	VMOVDQU32     lanes_size(DI), Z14
	VPSUBD        Z8, Z14, Z14
	VPCMPD.BCST   $2, blockSize<>(SB), Z14, K2, K1 // left <= 64
	VPCMPD.BCST   $1, blockSize<>(SB), Z14, K3     // left < 64
	VMOVDQU32.Z   lanes_first(DI), K4, Z15
	VPORD         lanes_last(DI), Z15, K1, Z15
	VPXORD        Z9, Z9, Z9
	VPMAXSD       Z9, Z14, Z14
	VPMINSD.BCST  blockSize<>(SB), Z14, Z14

	KORTESTW K3, K3
	JNZ      part

	ROW(0, Z16)
	ROW(1, Z17)
	ROW(2, Z18)
	ROW(3, Z19)
	ROW(4, Z20)
	ROW(5, Z21)
	ROW(6, Z22)
	ROW(7, Z23)
	ROW(8, Z24)
	ROW(9, Z25)
	ROW(10, Z26)
	ROW(11, Z27)
	ROW(12, Z28)
	ROW(13, Z29)
	ROW(14, Z30)
	ROW(15, Z31)

transpose:
	WORDS(Z16, Z17, Z18, Z19)
	WORDS(Z20, Z21, Z22, Z23)
	WORDS(Z24, Z25, Z26, Z27)
	WORDS(Z28, Z29, Z30, Z31)
	QUARTERS(Z16, Z20, Z24, Z28)
	QUARTERS(Z17, Z21, Z25, Z29)
	QUARTERS(Z18, Z22, Z26, Z30)
	QUARTERS(Z19, Z23, Z27, Z31)

	VPBROADCASTD iv<>+0(SB), Z8
	VPBROADCASTD iv<>+4(SB), Z9
	VPBROADCASTD iv<>+8(SB), Z10
	VPBROADCASTD iv<>+12(SB), Z11
	VMOVDQU32    lanes_low(DI), Z12
	VMOVDQU32    lanes_high(DI), Z13

	ROUND(Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31)
	ROUND(Z18, Z22, Z19, Z26, Z23, Z16, Z20, Z29, Z17, Z27, Z28, Z21, Z25, Z30, Z31, Z24)
	ROUND(Z19, Z20, Z26, Z28, Z29, Z18, Z23, Z30, Z22, Z21, Z25, Z16, Z27, Z31, Z24, Z17)
	ROUND(Z26, Z23, Z28, Z25, Z30, Z19, Z29, Z31, Z20, Z16, Z27, Z18, Z21, Z24, Z17, Z22)
	ROUND(Z28, Z29, Z25, Z27, Z31, Z26, Z30, Z24, Z23, Z18, Z21, Z19, Z16, Z17, Z22, Z20)
	ROUND(Z25, Z30, Z27, Z21, Z24, Z28, Z31, Z17, Z29, Z19, Z16, Z26, Z18, Z22, Z20, Z23)
	ROUND(Z27, Z31, Z21, Z16, Z17, Z25, Z24, Z22, Z30, Z26, Z18, Z28, Z19, Z20, Z23, Z29)

	VPXORD Z8, Z0, Z0
	VPXORD Z9, Z1, Z1
	VPXORD Z10, Z2, Z2
	VPXORD Z11, Z3, Z3
	VPXORD Z12, Z4, Z4
	VPXORD Z13, Z5, Z5
	VPXORD Z14, Z6, Z6
	VPXORD Z15, Z7, Z7

	ADDQ     $64, BX
	KXORW    K4, K4, K4
	KORTESTW K1, K1
	JZ       block

	// Lanes have ended. Their words are put aside; what is computed in them from
	// here on is of no use to anybody.
	VMOVDQU32 Z0, K1, (lanes_out+64*0)(DI)
	VMOVDQU32 Z1, K1, (lanes_out+64*1)(DI)
	VMOVDQU32 Z2, K1, (lanes_out+64*2)(DI)
	VMOVDQU32 Z3, K1, (lanes_out+64*3)(DI)
	VMOVDQU32 Z4, K1, (lanes_out+64*4)(DI)
	VMOVDQU32 Z5, K1, (lanes_out+64*5)(DI)
	VMOVDQU32 Z6, K1, (lanes_out+64*6)(DI)
	VMOVDQU32 Z7, K1, (lanes_out+64*7)(DI)
	KANDNW    K2, K1, K2
	KORTESTW  K2, K2
	JNZ       block

	// The words of all lanes become one chaining value after the other.
	VMOVDQU32 (lanes_out+64*0)(DI), Z0
	VMOVDQU32 (lanes_out+64*1)(DI), Z1
	VMOVDQU32 (lanes_out+64*2)(DI), Z2
	VMOVDQU32 (lanes_out+64*3)(DI), Z3
	VMOVDQU32 (lanes_out+64*4)(DI), Z4
	VMOVDQU32 (lanes_out+64*5)(DI), Z5
	VMOVDQU32 (lanes_out+64*6)(DI), Z6
	VMOVDQU32 (lanes_out+64*7)(DI), Z7
	WORDS(Z0, Z1, Z2, Z3)
	WORDS(Z4, Z5, Z6, Z7)
	DIGESTS(0, Z0, Z4)
	DIGESTS(1, Z1, Z5)
	DIGESTS(2, Z2, Z6)
	DIGESTS(3, Z3, Z7)
	VZEROUPPER
	RET

part:
	VMOVDQU32 Z14, left-64(SP)
	ROWPART(0, Z16)
	ROWPART(1, Z17)
	ROWPART(2, Z18)
	ROWPART(3, Z19)
	ROWPART(4, Z20)
	ROWPART(5, Z21)
	ROWPART(6, Z22)
	ROWPART(7, Z23)
	ROWPART(8, Z24)
	ROWPART(9, Z25)
	ROWPART(10, Z26)
	ROWPART(11, Z27)
	ROWPART(12, Z28)
	ROWPART(13, Z29)
	ROWPART(14, Z30)
	ROWPART(15, Z31)
	JMP transpose
