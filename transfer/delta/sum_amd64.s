#include "textflag.h"

// Weights of the 32 bytes of a step: the last byte of a block counts once.
DATA weights<>+0(SB)/8, $0x191a1b1c1d1e1f20
DATA weights<>+8(SB)/8, $0x1112131415161718
DATA weights<>+16(SB)/8, $0x090a0b0c0d0e0f10
DATA weights<>+24(SB)/8, $0x0102030405060708
GLOBL weights<>(SB), RODATA|NOPTR, $32

DATA ones<>+0(SB)/8, $0x0001000100010001
DATA ones<>+8(SB)/8, $0x0001000100010001
DATA ones<>+16(SB)/8, $0x0001000100010001
DATA ones<>+24(SB)/8, $0x0001000100010001
GLOBL ones<>(SB), RODATA|NOPTR, $32

// func sumSteps(p *byte, steps int) (a, before, within uint64)
//
// Y0 is a, in 4 lanes of 64 bits; Y1 the sum of a before each step; Y2 the
// weighted sums within the steps, in 8 lanes of 32 bits.
TEXT ·sumSteps(SB), NOSPLIT, $0-40
	MOVQ p+0(FP), SI
	MOVQ steps+8(FP), CX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y7, Y7, Y7
	VMOVDQU weights<>(SB), Y5
	VMOVDQU ones<>(SB), Y6
	TESTQ CX, CX
	JZ done

step:
	VMOVDQU (SI), Y3
	VPADDQ Y0, Y1, Y1
	VPMADDUBSW Y5, Y3, Y4
	VPSADBW Y7, Y3, Y3
	VPMADDWD Y6, Y4, Y4
	VPADDQ Y3, Y0, Y0
	VPADDD Y4, Y2, Y2
	ADDQ $32, SI
	DECQ CX
	JNZ step

done:
	// The 8 lanes of Y2 as 4 of 64 bits.
	VPSRLQ $32, Y2, Y3
	VPSLLQ $32, Y2, Y2
	VPSRLQ $32, Y2, Y2
	VPADDQ Y3, Y2, Y2
	VEXTRACTI128 $1, Y0, X3
	VPADDQ X3, X0, X0
	VEXTRACTI128 $1, Y1, X3
	VPADDQ X3, X1, X1
	VEXTRACTI128 $1, Y2, X3
	VPADDQ X3, X2, X2
	VPSRLDQ $8, X0, X3
	VPADDQ X3, X0, X0
	VPSRLDQ $8, X1, X3
	VPADDQ X3, X1, X1
	VPSRLDQ $8, X2, X3
	VPADDQ X3, X2, X2
	VMOVQ X0, AX
	MOVQ AX, a+16(FP)
	VMOVQ X1, AX
	MOVQ AX, before+24(FP)
	VMOVQ X2, AX
	MOVQ AX, within+32(FP)
	VZEROUPPER
	RET
